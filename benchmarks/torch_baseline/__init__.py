"""The families in PyTorch: what ours is timed against, and an oracle of its pictures.

One module per family, of the same name as ours, with three functions:

    load(params, config) -> weights         our parameters, in PyTorch's layouts
    synthesize(weights, config, latent, label=None) -> images [N, C, H, W]
    operations(config) -> float             useful operations per image

They are written for speed on one machine, not for editing: everything that weights
alone decide is computed by `load`. The latent is what our `synthesize` takes first: w
or w+ of StyleGANs, z of the others; noise is the stored one.

Operations are those of the papers' layers, two per product of a weight and an
activation, in convolutions, dense layers and attention; resampling filters and
elementwise arithmetic are not counted. A convolution behind a repetition of pixels
counts all taps at all pixels of its output, however it is computed; a transposed one
only the products with samples that exist, not with the zeros between them; a 1 x 1
convolution of a shortcut, which commutes with the repetition, those of the small image.
"""
