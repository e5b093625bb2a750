"""Key providers, one file for each kind of URI; each imports its SDK only when it is used."""
