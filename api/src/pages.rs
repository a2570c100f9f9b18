//! The pages of `templates/`, with one typed function each.

mod code;
mod failure;
mod gzip;
mod prerendered;
mod report;

pub(crate) mod scanner;
pub(crate) mod visit;

use std::{
    fmt::Write as _,
    sync::{Arc, LazyLock},
};

use anyhow::Context as _;
use axum::{
    body::Bytes,
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use heyi_common::platform::Platform;
use sha2::{Digest as _, Sha256};
use tera::{Context, Tera};

pub(crate) use code::{App, CodePage, Kind, View};
pub(crate) use prerendered::escaped;
pub(crate) use report::ReportPage;

use self::{code::PrerenderedPages, gzip::Gzip, prerendered::FixedPart};
use crate::http::language::Language;

/// The style of all pages, with the colour of each platform.
static STYLE: LazyLock<String> = LazyLock::new(|| {
    let mut style = include_str!("../../templates/style.css").to_owned();
    for platform in Platform::ALL {
        let row = platform.row();
        // Writing to a String cannot fail.
        let _ = writeln!(style, ".{} {{ --accent: #{:06x}; }}", row.key, row.colour);
    }
    style
});

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/", $name)))),*]
    };
}

/// The templates, ready to render.
pub(crate) struct Pages {
    tera: Tera,
    prerendered: PrerenderedPages,
    style: Arc<FixedPart>,
    policy: HeaderValue,
}

impl Pages {
    /// Loads all templates and renders each variant, so that a broken template fails at startup.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut tera = Tera::new();
        tera.add_raw_templates(templates![
            "base.html",
            "qrcode.html",
            "composite.html",
            "apps.html",
            "steps.html",
            "report.html",
            "order.html",
            "400.html",
            "404.html",
            "410.html",
            "500.html",
        ])
        .context("read the templates")?;
        let pages = Self {
            tera,
            prerendered: PrerenderedPages::default(),
            style: Arc::new(FixedPart::new(&STYLE)?),
            policy: policy()?,
        };
        for language in Language::ALL {
            pages.try_codes(language)?;
            pages.try_failures(language)?;
            pages.try_reports(language)?;
        }
        Ok(pages)
    }

    fn render(
        &self,
        name: &str,
        mut context: Context,
        language: Language,
    ) -> anyhow::Result<String> {
        context.insert("style", &*STYLE);
        context.insert("language", language.tag());
        context.insert("zh", &(language == Language::Chinese));
        let html = self.tera.render(name, &context);
        html.with_context(|| format!("render {name}"))
    }

    fn page(&self, html: String) -> Page {
        Page {
            html: html.into(),
            is_packed: false,
            policy: self.policy.clone(),
        }
    }

    fn packed_page(&self, html: Gzip) -> Page {
        Page {
            html: html.finish().into(),
            is_packed: true,
            policy: self.policy.clone(),
        }
    }
}

/// No scripts, no styles but ours, no external resources, no framing.
fn policy() -> anyhow::Result<HeaderValue> {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; img-src 'self' data:; style-src 'sha256-{style}'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).context("the policy is no header")
}

/// A rendered page with its headers.
#[derive(Debug)]
pub(crate) struct Page {
    html: Bytes,
    /// Whether the body is gzip-compressed.
    is_packed: bool,
    policy: HeaderValue,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = Html(self.html).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy);
        if self.is_packed {
            let gzip = HeaderValue::from_static("gzip");
            headers.insert(header::CONTENT_ENCODING, gzip);
        }
        response
    }
}
