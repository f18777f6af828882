"""One batch of documents, from claim to settled, one step a module.

batch.py    the story: look, shape, embed, intend, write, prove, settle
look.py     what the source says now, compared with what is proved
shape.py    bytes -> blocks -> chunks, with the rules between
visible.py  what of a parse is indexed: hidden text as a setting says (pure)
changes.py  chunks against points: what to write, restamp, delete (pure)
embed.py    a vector for every new text, once
write.py    the index, in the order that leaves no hole
outcome.py  what the ledger is told (pure)
parts.py    what the steps share: the parts they work with, and their values
"""
