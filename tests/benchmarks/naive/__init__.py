"""Every step the plain way, written from the paper to be read: what the benchmarks measure the engine against.

float32 throughout, one prototype, image or epoch after another where the paper's text reads so, nothing cached.
"""
