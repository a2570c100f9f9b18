//! Gzip files composed of parts that are compressed in advance.
//!
//! A file is one stream of DEFLATE blocks (RFC 1951) between a header and a checksum (RFC 1952). Separately compressed
//! texts that end on a byte boundary can be concatenated. Other texts are inserted as stored blocks.
//!
//! If each page were compressed as a whole, `/qr` would cost 6.3 times the CPU
//! ([measured](../../../docs/performance.md#speed-ups)).

use anyhow::ensure;
use flate2::{Compress, Compression, Crc, FlushCompress};

/// DEFLATE, no file name, no time, unknown system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// An empty final block.
const END: [u8; 5] = [1, 0, 0, 0xff, 0xff];
/// Overhead of an incompressible block and of the empty block after it.
const MORE: usize = 64;

/// Compresses a text to DEFLATE blocks that end on a byte boundary and do not refer to earlier data.
pub(super) fn packed(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut packed = Vec::with_capacity(text.len() + text.len() / 8 + MORE);
    let mut compress = Compress::new(Compression::best(), false);
    compress.compress_vec(text, &mut packed, FlushCompress::Sync)?;
    ensure!(
        compress.total_in() == text.len() as u64 && packed.len() < packed.capacity(),
        "a text did not get packed"
    );
    Ok(packed)
}

/// A gzip file under construction.
pub(super) struct Gzip {
    file: Vec<u8>,
    checksum: Crc,
}

impl Gzip {
    pub(super) fn with_capacity(length: usize) -> Self {
        let mut file = Vec::with_capacity(length);
        file.extend_from_slice(&HEAD);
        Self {
            file,
            checksum: Crc::new(),
        }
    }

    /// Adds a text that was compressed with [`packed`].
    pub(super) fn add_packed(&mut self, text: &[u8], packed: &[u8]) {
        self.checksum.update(text);
        self.file.extend_from_slice(packed);
    }

    /// Adds a text uncompressed.
    pub(super) fn add(&mut self, text: &[u8]) {
        self.checksum.update(text);
        for piece in text.chunks(usize::from(u16::MAX)) {
            let length = u16::try_from(piece.len()).unwrap_or(u16::MAX);
            self.file.push(0);
            self.file.extend_from_slice(&length.to_le_bytes());
            self.file.extend_from_slice(&(!length).to_le_bytes());
            self.file.extend_from_slice(piece);
        }
    }

    /// Finishes the file.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.file.extend_from_slice(&END);
        self.file
            .extend_from_slice(&self.checksum.sum().to_le_bytes());
        self.file
            .extend_from_slice(&self.checksum.amount().to_le_bytes());
        self.file
    }
}
