//! Content as stored: SHA-256 and zstd, decoded only under a declared size and a known digest.
