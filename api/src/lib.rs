//! Heyi's HTTP process: from a request to an answer.
//!
//! [`serve`] listens; [`router`] is the whole API as one value. A handler reads its `params`, and answers or
//! returns an `error`, which `respond` shows as JSON or as a page.

mod serve;

mod routes;

mod codes;
mod http;
mod owner;
mod pages;
mod pictures;
mod room;

mod meters;
mod state;

pub use routes::router;
pub use serve::serve;
pub use state::AppState;
