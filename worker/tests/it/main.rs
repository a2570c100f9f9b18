//! The worker as a process, on real stores.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;
mod together;

mod backlog;
mod backup;
mod blocked_owners;
mod clock;
mod confirm;
mod confirm_turns;
mod consumers;
mod doctor_addresses;
mod failpoints;
mod full_redis;
mod image;
mod installation;
mod mongo_trouble;
mod operator;
mod operator_lists;
mod operator_reports;
mod outage;
mod private_authority;
mod promotion;
mod redis_rights;
mod redis_with_data;
mod retry;
mod scans;
mod secrets;
mod shipped;
mod takeover;
