//! Pictures: drawing and decoding.

pub(crate) mod poster;
pub(crate) mod qr;

pub(crate) mod decode;
pub(crate) mod upload;
pub(crate) mod upload_slots;

pub(crate) mod cpu_permits;
