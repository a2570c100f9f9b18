//! The api as its clients see it: a real process, real stores, and the sandbox as the world outside.

mod agents;
mod bombs;
mod pictures;
mod support;

mod channels;
mod check_order;
mod client;
mod code_page;
mod code_page_access;
mod decode;
mod decode_bounds;
mod del;
mod demo_page;
mod durability;
mod failures;
mod journey;
mod kept_codes;
mod limits;
mod login;
mod new_order;
mod notify;
mod openapi;
mod outages;
mod process;
mod qr;
mod qr_picture;
mod qr_poster;
mod qr_strangers;
mod readme;
mod reflash;
mod report;
mod screenshots;
mod stats;
mod topologies;
mod update;
