"""Networks that look at pictures: classifiers and regressors, usable as scorers."""
