"""The contract between parties: messages and framings, bytes in and values out, no IO."""
