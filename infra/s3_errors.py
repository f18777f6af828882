"""What goes wrong between us and an S3 store, in plain words.

The driver's own text is never shown, for it may quote secrets. Its errors become `Unreachable` here and nowhere else.
"""

from schemas.errors import Unreachable

_CREDENTIALS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the AWS profile"
_ENDPOINT = "check PENSTOCK_S3_ENDPOINT_URL and that the store is up"
_REGION = "set AWS_REGION to the bucket's region"
_LATER = "try again later"
_RIGHTS = "allow s3:ListBucket on the bucket and s3:GetObject on its objects for this user"

#: By the store's own error code: what it means, and what to do.
_BY_CODE = {
    "NoSuchBucket": ("the bucket does not exist", "create the bucket or correct its name"),
    "AccessDenied": ("access is denied", _RIGHTS),
    "AllAccessDisabled": ("access is denied", _RIGHTS),
    "InvalidAccessKeyId": ("the store does not know this access key", _CREDENTIALS),
    "XAdminUserNotFound": ("the store does not know this access key", _CREDENTIALS),  # versitygw's word for it
    "SignatureDoesNotMatch": ("the secret key does not fit the access key", _CREDENTIALS),
    "ExpiredToken": ("the credentials have expired", "log in again, or renew AWS_SESSION_TOKEN"),
    "InvalidToken": ("the session token is not valid", "renew AWS_SESSION_TOKEN, or unset it"),
    "RequestTimeTooSkewed": ("this machine's clock differs from the store's", "set the clock"),
    "AuthorizationHeaderMalformed": ("the bucket is in another region", _REGION),
    "PermanentRedirect": ("the bucket is in another region", _REGION),
    "InvalidBucketName": ("this cannot be the name of a bucket", "correct the bucket's name"),
    "SlowDown": ("the store asks to slow down", _LATER),
    # The driver's word for a 200 whose body is no XML, too.
    "500": ("the store fails, or is no S3 store", _ENDPOINT),
    # A HEAD has no body, hence no code but the HTTP status.
    "301": ("the bucket is in another region", _REGION),
    "403": ("access is denied", _RIGHTS),
    "404": ("the bucket does not exist", "create the bucket or correct its name"),
}

#: By the class of the driver's error, most special first; `{endpoint}` is host and port.
_BY_CLASS = {
    "NoCredentialsError": ("no credentials are found", _CREDENTIALS),
    "PartialCredentialsError": ("the credentials are incomplete", _CREDENTIALS),
    "CredentialRetrievalError": ("the credentials cannot be had", _CREDENTIALS),
    "TokenRetrievalError": ("the login has expired", "log in again"),
    "SSOError": ("the login has expired", "log in again"),
    "ProfileNotFound": ("the AWS profile does not exist", "correct AWS_PROFILE"),
    "ParamValidationError": ("this cannot be the name of a bucket", "correct the bucket's name"),
    "ConnectTimeoutError": ("{endpoint} does not answer", _ENDPOINT),
    "ReadTimeoutError": ("{endpoint} does not answer in time", _LATER),
    "SSLError": ("the certificate of {endpoint} is not trusted", "set AWS_CA_BUNDLE, or correct the endpoint"),
    "ProxyConnectionError": ("the proxy does not answer", "check HTTPS_PROXY"),
    "ConnectionError": ("{endpoint} refuses the connection, or has no address", _ENDPOINT),
    "HTTPClientError": ("the connection to {endpoint} broke", _LATER),
    "IncompleteReadError": ("the connection to {endpoint} broke", _LATER),
    "ResponseParserError": ("{endpoint} does not answer like an S3 store", _ENDPOINT),
    "ValueError": ("{endpoint} does not answer like an S3 store", _ENDPOINT),
}

#: The store does not take the credentials, or none are found: whatever is asked fails alike.
_CREDENTIALS_REFUSED = (
    "InvalidAccessKeyId",
    "XAdminUserNotFound",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "NoCredentialsError",
)


def error_code(error: Exception) -> str:
    """The store's error code, or "" where it did not answer; the HTTP status where the answer had no body."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def credentials_refused(error: Exception) -> bool:
    """Whether it is the credentials that are at fault."""
    return (error_code(error) or type(error).__name__) in _CREDENTIALS_REFUSED


def unreachable(where: str, error: Exception, endpoint: str) -> Unreachable:
    """The driver's error as ours. `where`: a URI. `endpoint`: host and port, for people."""
    code = error_code(error)
    if code:
        what, todo = _BY_CODE.get(code, (f"the store answers {code}", _LATER))
        return Unreachable(where, what, todo)
    names = [cls.__name__ for cls in type(error).__mro__]
    meaning = next((_BY_CLASS[name] for name in names if name in _BY_CLASS), None)
    what, todo = meaning or (f"the S3 client fails with {names[0]}", "run `penstock doctor`")
    return Unreachable(where, what.format(endpoint=endpoint), todo)
