//! The sandbox, seen from outside.
#![expect(
    clippy::unwrap_used,
    reason = "clippy spares test functions, but not what they call"
)]

mod knobs;
mod miniapp;
mod notify;
mod orders;
mod pages;
mod rest;
mod support;
mod wechat;
