//! The page of a code.

use anyhow::Context as _;
use heyi_common::payload::Platform;
use serde::Serialize;
use tera::Context;

use super::{Page, Pages};
use crate::language::Language;

/// What the page of a code shows.
#[derive(Debug, Serialize)]
pub(crate) struct CodePage<'a> {
    /// The code's id.
    pub(crate) id: &'a str,
    /// What the owner calls it.
    pub(crate) name: &'a str,
    /// Whether it is read on a desktop, so that a phone scans the screen.
    pub(crate) is_desktop: bool,
    /// What is shown large.
    pub(crate) view: View<'a>,
    /// The apps to choose from.
    pub(crate) apps: Vec<App>,
}

/// What the page shows large.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum View<'a> {
    /// The receive code for one app.
    Receive {
        /// The app.
        app: App,
        /// Whether that app itself reads the page.
        is_inside: bool,
        /// Where a button leads that opens the code at once, if one can.
        link: Option<&'a str>,
        /// Whether there is a page before this one: of no app that we know.
        has_overview: bool,
    },
    /// The composite code, for any app.
    Composite,
    /// Nothing: the app that reads the page has no receive code here.
    Missing {
        /// The app.
        app: App,
    },
}

/// A platform's app.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct App {
    /// The platform.
    pub(crate) platform: Platform,
    /// What people call it.
    pub(crate) label: &'static str,
    /// One character in place of a logo.
    pub(crate) glyph: &'static str,
}

impl App {
    /// The app, as people who read `language` call it.
    pub(crate) fn new(platform: Platform, language: Language) -> Self {
        let (chinese, english, glyph) = match platform {
            Platform::Wechat => ("微信", "WeChat", "微"),
            Platform::Alipay => ("支付宝", "Alipay", "支"),
            Platform::Qq => ("QQ", "QQ", "Q"),
            Platform::Unionpay => ("云闪付", "UnionPay", "云"),
            Platform::Jd => ("京东", "JD", "京"),
        };
        let label = match language {
            Language::Chinese => chinese,
            Language::English => english,
        };
        Self {
            platform,
            label,
            glyph,
        }
    }
}

impl Pages {
    /// The page of a code.
    pub(crate) fn code(&self, page: &CodePage<'_>, language: Language) -> anyhow::Result<Page> {
        let context = Context::from_serialize(page).context("fill qrcode.html")?;
        self.render("qrcode.html", context, language)
    }

    pub(super) fn try_codes(&self, language: Language) -> anyhow::Result<()> {
        let apps = Platform::ALL.map(|platform| App::new(platform, language));
        let receive = |app, is_inside, link| View::Receive {
            app,
            is_inside,
            link,
            has_overview: !is_inside,
        };
        let views = apps.into_iter().flat_map(|app| {
            [
                receive(app, true, None),
                receive(app, true, Some("/")),
                receive(app, false, None),
                receive(app, false, Some("/")),
                View::Missing { app },
            ]
        });
        for view in views.chain([View::Composite]) {
            let mut page = CodePage {
                id: "",
                name: "",
                is_desktop: false,
                view,
                apps: apps.to_vec(),
            };
            self.code(&page, language)?;
            page.is_desktop = true;
            page.apps.clear();
            self.code(&page, language)?;
        }
        Ok(())
    }
}
