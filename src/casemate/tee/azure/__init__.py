"""Azure's confidential VMs: a paravisor below the guest holds the hardware report, and gives the
guest a virtual TPM whose attestation key that report vouches for (tee §7).

Shared by ``az_snp_vtpm`` and ``az_tdx_vtpm``: the paravisor's report, forms of evidence, and the
part of verification that is about the TPM.
"""  # noqa: D205  # one sentence
