# Marks the package for cimport: `from fastent._scalar cimport surprisal`.
