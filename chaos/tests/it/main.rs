//! The parts of the tool that need a server of their own.

mod link;
