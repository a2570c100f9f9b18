//! Heyi's HTTP process: from a request to an answer.
//!
//! [`serve`] listens; [`router`] is the whole API as one value. A handler reads its `params`, and answers or
//! returns an `error`, which `present` shows as JSON or as a page.

mod serve;

mod room;
mod routes;

mod accept;
mod address;
mod budget;
mod codes;
mod deadline;
mod desk;
mod error;
mod language;
mod limit;
mod meters;
mod monitor;
mod openapi;
mod outbound;
mod pages;
mod params;
mod payment;
mod picture;
mod pool;
mod poster;
mod present;
mod reading;
mod scanner;
mod shares;
mod state;
mod track;
mod turns;
mod untrusted;
mod upload;
mod user;
mod visit;

pub use routes::router;
pub use serve::serve;
pub use state::AppState;
