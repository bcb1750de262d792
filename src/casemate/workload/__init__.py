"""The owner's desk: images, initdata and policies before deployment."""
