//! Pictures that are drawn, and pictures that are read.

pub(crate) mod poster;
pub(crate) mod qr;

pub(crate) mod decode;
pub(crate) mod upload;
pub(crate) mod upload_slots;

pub(crate) mod cpu_permits;
