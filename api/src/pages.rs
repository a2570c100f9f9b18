//! The pages of `templates/`: one typed function each.

use anyhow::Context as _;
use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use heyi_common::payload::Platform;
use serde::Serialize;
use tera::{Context, Tera};

/// No scripts, nothing from elsewhere, in nobody's frame.
const POLICY: &str = "default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

macro_rules! templates {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../templates/", $name)))),*]
    };
}

/// What the page of a code shows.
#[derive(Debug, Serialize)]
pub(crate) struct CodePage<'a> {
    /// What the owner calls it.
    pub(crate) name: &'a str,
    /// The name of the app that reads the page, where it is one of ours.
    pub(crate) scanner: Option<&'static str>,
    /// The receive code for that app.
    pub(crate) own: Option<Receive>,
    /// The other receive codes.
    pub(crate) others: Vec<Receive>,
}

/// One receive code on the page.
#[derive(Debug, Serialize)]
pub(crate) struct Receive {
    /// The platform.
    pub(crate) platform: Platform,
    /// What people call it.
    pub(crate) label: &'static str,
    /// The code as a picture: a data URI.
    pub(crate) picture: String,
    /// Where a button leads that opens it at once, for platforms that allow it.
    pub(crate) link: Option<String>,
}

/// The templates, ready to render.
pub(crate) struct Pages(Tera);

impl Pages {
    /// Reads all templates and renders each once, so that a broken one is found at the start.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut tera = Tera::new();
        tera.add_raw_templates(templates![
            "base.html",
            "qrcode.html",
            "400.html",
            "404.html",
            "410.html",
            "500.html"
        ])
        .context("read the templates")?;
        let pages = Self(tera);
        pages.try_all()?;
        Ok(pages)
    }

    /// The page of a code.
    pub(crate) fn code(&self, page: &CodePage<'_>) -> anyhow::Result<String> {
        let context = Context::from_serialize(page).context("fill qrcode.html")?;
        self.render("qrcode.html", &context)
    }

    /// The page of a failure.
    pub(crate) fn failure(&self, status: StatusCode, errmsg: &str) -> anyhow::Result<String> {
        match status {
            StatusCode::NOT_FOUND => self.not_found(),
            StatusCode::GONE => self.gone(),
            status if status.is_server_error() => self.our_fault(status),
            status => self.bad_request(status, errmsg),
        }
    }

    fn bad_request(&self, status: StatusCode, errmsg: &str) -> anyhow::Result<String> {
        let mut context = of_status(status);
        context.insert("errmsg", errmsg);
        self.render("400.html", &context)
    }

    fn not_found(&self) -> anyhow::Result<String> {
        self.render("404.html", &of_status(StatusCode::NOT_FOUND))
    }

    fn gone(&self) -> anyhow::Result<String> {
        self.render("410.html", &of_status(StatusCode::GONE))
    }

    fn our_fault(&self, status: StatusCode) -> anyhow::Result<String> {
        self.render("500.html", &of_status(status))
    }

    fn render(&self, name: &str, context: &Context) -> anyhow::Result<String> {
        self.0
            .render(name, context)
            .with_context(|| format!("render {name}"))
    }

    fn try_all(&self) -> anyhow::Result<()> {
        for status in [400, 404, 405, 408, 410, 413, 429, 500, 502, 503] {
            self.failure(StatusCode::from_u16(status)?, "")?;
        }
        let receive = |platform, link: Option<&str>| Receive {
            platform,
            label: label(platform),
            picture: String::new(),
            link: link.map(str::to_owned),
        };
        for platform in Platform::ALL {
            for own in [
                None,
                Some(receive(platform, None)),
                Some(receive(platform, Some("/"))),
            ] {
                self.code(&CodePage {
                    name: "",
                    scanner: own.is_none().then_some(label(platform)),
                    own,
                    others: vec![receive(platform, None)],
                })?;
            }
        }
        Ok(())
    }
}

/// What people call a platform's app.
pub(crate) fn label(platform: Platform) -> &'static str {
    match platform {
        Platform::Wechat => "微信",
        Platform::Alipay => "支付宝",
        Platform::Qq => "QQ",
        Platform::Unionpay => "云闪付",
        Platform::Jd => "京东",
    }
}

fn of_status(status: StatusCode) -> Context {
    let mut context = Context::new();
    context.insert("status", &status.as_u16());
    context
}

/// A rendered page, with the headers of one.
pub(crate) struct Page(pub(crate) String);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(self.0)).into_response()
    }
}
