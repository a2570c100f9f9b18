//! sandbox.

fn main() {}
