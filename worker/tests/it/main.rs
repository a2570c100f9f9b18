//! The worker as a process, on real stores.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;
mod together;

mod backlog;
mod blocked_owners;
mod clock;
mod confirm;
mod consumers;
mod crash;
mod crash_points;
mod doctor_addresses;
mod full_redis;
mod image;
mod installation;
mod operator;
mod operator_lists;
mod operator_reports;
mod outage;
mod promotion;
mod retry;
mod scans;
mod secrets;
mod shipped;
