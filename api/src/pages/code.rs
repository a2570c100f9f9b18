//! The page of a code.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use anyhow::Context as _;
use heyi_common::payload::Platform;
use serde::Serialize;
use tera::Context;

use super::{
    Page, Pages, STYLE,
    skeleton::{Blank, Skeleton},
};
use crate::language::Language;

/// The pages that were asked for so far, but for what is different on each: at most one for each choice of apps and
/// reader, so some hundred.
pub(super) type Skeletons = RwLock<HashMap<(CodePage<'static>, Language), Arc<Skeleton>>>;

/// What the page of a code shows.
#[derive(Debug, PartialEq, Eq, Hash, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
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

impl CodePage<'_> {
    /// The same page with marks for what is different on each.
    fn marked(&self) -> CodePage<'static> {
        let view = match self.view {
            View::Receive {
                app,
                is_inside,
                link,
                has_overview,
            } => View::Receive {
                app,
                is_inside,
                link: link.map(|_| Blank::Link.mark()),
                has_overview,
            },
            View::Composite => View::Composite,
            View::Missing { app } => View::Missing { app },
        };
        CodePage {
            id: Blank::Id.mark(),
            name: Blank::Name.mark(),
            is_desktop: self.is_desktop,
            view,
            apps: self.apps.clone(),
        }
    }

    fn link(&self) -> &str {
        match self.view {
            View::Receive { link, .. } => link.unwrap_or_default(),
            View::Composite | View::Missing { .. } => "",
        }
    }
}

impl Pages {
    /// The page of a code.
    pub(crate) fn code(&self, page: &CodePage<'_>, language: Language) -> anyhow::Result<Page> {
        let html = self.skeleton(page, language)?.fill(|blank| match blank {
            Blank::Id => page.id,
            Blank::Name => page.name,
            Blank::Link => page.link(),
            Blank::Style => STYLE,
        });
        Ok(self.page(html))
    }

    fn skeleton(&self, page: &CodePage<'_>, language: Language) -> anyhow::Result<Arc<Skeleton>> {
        let key = (page.marked(), language);
        let known = self
            .skeletons
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(skeleton) = known.get(&key) {
            return Ok(Arc::clone(skeleton));
        }
        drop(known);
        let context = Context::from_serialize(&key.0).context("fill qrcode.html")?;
        let rendered = self.render("qrcode.html", context, language, Blank::Style.mark())?;
        let skeleton = Arc::new(Skeleton::new(&rendered));
        let mut known = self
            .skeletons
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(known.entry(key).or_insert(skeleton)))
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
