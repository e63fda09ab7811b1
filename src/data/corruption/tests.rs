//! Properties that all corruptions share, and what other programs make of the same picture.
