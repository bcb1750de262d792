"""The pod VM's disk: recipe, root file system, verity, kernel image, reference values, SBOM."""
