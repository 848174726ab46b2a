# Lines of a text file as strings of C.
s/\\/\\\\/g
s/"/\\"/g
s/^/"/
s/$/\\n"/
