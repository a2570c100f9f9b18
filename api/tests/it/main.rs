//! The api as its clients see it: a real process, real stores, and the sandbox as the world outside.

mod agents;
mod support;

mod browser;
mod check_order;
mod del;
mod durability;
mod failures;
mod journey;
mod limits;
mod login;
mod new_order;
mod notify;
mod openapi;
mod outages;
mod process;
mod qr;
mod qr_picture;
mod qr_strangers;
mod readme;
mod reflash;
mod report;
mod topologies;
