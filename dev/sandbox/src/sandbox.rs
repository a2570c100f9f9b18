//! The handle on a running sandbox.

use std::{convert::Infallible, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{Router, routing::get};
use heyi_common::sign::Params;
use tokio::net::TcpListener;
use tokio_util::sync::DropGuard;
use url::Url;

use crate::{
    context::{Context, Shared},
    control, demo,
    knobs::Knobs,
    ledger::{Ledger, Notify, Order},
    options::Options,
    payjs, proxy,
    refusal::Refusal,
    wechat,
};

/// How long [`Sandbox::stop`] waits for open connections.
const PATIENCE: Duration = Duration::from_secs(2);

/// A running sandbox; it stops with the last clone of this handle.
#[derive(Clone)]
pub struct Sandbox {
    context: Shared,
    _running: Arc<DropGuard>,
}

impl Sandbox {
    /// Serves on `listener` in a task of its own. `notify_factor` must be from 0 to 1000.
    #[expect(
        clippy::unused_async,
        reason = "it spawns, so it must be called on a runtime; the signature sees to that"
    )]
    pub async fn start(options: Options, listener: TcpListener) -> anyhow::Result<Self> {
        let factor = options.notify_factor;
        anyhow::ensure!(
            (0.0..=1000.0).contains(&factor),
            "notify_factor is {factor}, not from 0 to 1000"
        );
        let address = listener.local_addr().context("the listener's address")?;
        let url = Url::parse(&format!("http://{address}/")).context("the sandbox's URL")?;
        let context = Arc::new(Context::new(options, url, client()?));
        let server = axum::serve(listener, router(&context))
            .with_graceful_shutdown(context.stop.clone().cancelled_owned());
        context.tasks.spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "sandbox server ended");
            }
        });
        let running = Arc::new(context.stop.clone().drop_guard());
        Ok(Self {
            context,
            _running: running,
        })
    }

    /// The base URL of the sandbox, with a slash at its end.
    pub fn url(&self) -> &Url {
        &self.context.url
    }

    /// The base URL of PayJS's REST interface, in place of `https://payjs.cn/api/`.
    pub fn payjs_url(&self) -> Url {
        self.below("payjs/api/")
    }

    /// The base URL of WeChat's interface, in place of `https://api.weixin.qq.com/`.
    pub fn wechat_url(&self) -> Url {
        self.below("wechat/")
    }

    /// Opens the PayJS mini-program with `extra_data` and returns the `payjs_order_id` of the new order.
    pub fn order(&self, extra_data: &Params) -> Result<String, Refusal> {
        payjs::open(&self.context, extra_data)
    }

    /// Pays an order after the knob `pay_delay_ms`, and starts its notifies. Needs a tokio runtime.
    pub fn pay(&self, payjs_order_id: &str) -> Result<(), Refusal> {
        payjs::pay(&self.context, payjs_order_id)
    }

    /// Pays an order with its own knobs for payment and notifies.
    pub fn pay_with(&self, payjs_order_id: &str, knobs: Knobs) -> Result<(), Refusal> {
        let mut books = self.context.books();
        books.own_knobs.insert(payjs_order_id.to_owned(), knobs);
        drop(books);
        self.pay(payjs_order_id)
    }

    /// The current knobs.
    pub fn knobs(&self) -> Knobs {
        self.context.books().knobs.clone()
    }

    /// Sets all knobs.
    pub fn set_knobs(&self, knobs: Knobs) {
        let Ok(_) = self.context.set_knobs(|_| Ok::<_, Infallible>(knobs));
    }

    /// The current ledger.
    pub fn ledger(&self) -> Ledger {
        self.context.books().ledger()
    }

    /// The finished notifies after the first `seen`.
    pub fn notifies_after(&self, seen: usize) -> Vec<Notify> {
        let books = self.context.books();
        books.notifies.get(seen..).unwrap_or_default().to_vec()
    }

    /// An order at PayJS.
    pub fn order_at_payjs(&self, payjs_order_id: &str) -> Option<Order> {
        self.context.books().orders.get(payjs_order_id).cloned()
    }

    /// Clears the ledger, ends all notifies and resets the knobs.
    pub fn reset(&self) {
        self.context.reset();
    }

    /// Ends the notifies, stops the server and waits for its end. Open connections get 2 s.
    pub async fn stop(&self) {
        self.context.stop.cancel();
        self.context.tasks.close();
        if tokio::time::timeout(PATIENCE, self.context.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("sandbox stopped with open connections");
        }
    }

    fn below(&self, path: &str) -> Url {
        let mut url = self.context.url.clone();
        url.set_path(path);
        url
    }
}

fn router(context: &Shared) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .merge(demo::routes())
        .merge(control::routes())
        .merge(wechat::routes())
        .merge(payjs::routes(context))
        .merge(proxy::routes())
        .with_state(Arc::clone(context))
}

/// A client that follows no redirects and uses no system proxy.
fn client() -> anyhow::Result<reqwest::Client> {
    // reqwest needs a provider even for plain HTTP. The first caller installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(3))
        .timeout(Duration::from_secs(30))
        .build()
        .context("the HTTP client of the sandbox")
}
