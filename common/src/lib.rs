//! What Heyi's api and worker share.

pub mod form;
pub mod sign;
