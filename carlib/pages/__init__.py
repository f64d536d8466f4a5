"""One offline page to mail to a colleague: facts are gathered, then laid out."""
