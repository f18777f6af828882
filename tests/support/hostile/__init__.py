"""Documents made to hurt whoever reads them: bombs, loops, lies and damage. All made by code, none stored.

CASES is the table; archives.py, office.py, pdfs.py, markup.py, mails.py and damage.py make what is in it.
"""

from tests.support.hostile import archives, damage, mails, markup, office, pdfs

CASES = (*archives.CASES, *office.CASES, *pdfs.CASES, *markup.CASES, *mails.CASES, *damage.CASES)
