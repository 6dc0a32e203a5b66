"""asv: seconds and peak bytes of the hot kernels at the papers' sizes, and the quick paper numbers over commits."""
