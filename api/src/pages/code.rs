//! The page of a code.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use anyhow::Context as _;
use heyi_common::platform::Platform;
use serde::Serialize;
use tera::Context;

use super::{
    Page, Pages,
    prerendered::{PrerenderedPage, Slot},
};
use crate::http::language::Language;

/// The prerendered pages by kind: at most one for each choice of apps and reader, so a few hundred.
pub(super) type PrerenderedPages = RwLock<HashMap<Kind, Arc<PrerenderedPage>>>;

/// The page of one code.
#[derive(Debug)]
pub(crate) struct CodePage<'a> {
    /// The code's id.
    pub(crate) id: &'a str,
    /// The owner's name for it.
    pub(crate) name: &'a str,
    /// The link of its button, if it has one.
    pub(crate) link: &'a str,
    /// When its receive codes were changed, if the page shows it.
    pub(crate) changed_on: &'a str,
    /// The kind of page.
    pub(crate) kind: Kind,
}

/// The properties that the pages of many codes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    /// The language.
    pub(crate) language: Language,
    /// Whether it is shown on a desktop, so that a phone scans the screen.
    pub(crate) is_desktop: bool,
    /// Whether it says that receive codes were changed.
    pub(crate) is_changed: bool,
    /// What is shown large.
    pub(crate) view: View<Platform>,
    /// The apps to choose from.
    pub(crate) apps: Apps,
}

/// The main element of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum View<App> {
    /// The receive code for one app.
    Receive {
        /// The app.
        app: App,
        /// Whether the page is open in that app.
        is_inside: bool,
        /// Whether a button opens the code directly.
        has_link: bool,
        /// Whether an overview page precedes this one, as for unknown apps.
        has_overview: bool,
    },
    /// The composite code, for any app.
    Composite,
    /// Nothing: the code has no receive code for the app in which the page is open.
    Missing {
        /// The app.
        app: App,
    },
}

/// A set of the platforms' apps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Apps([bool; Platform::ALL.len()]);

/// A platform's app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct App {
    /// The platform.
    pub(crate) platform: Platform,
    /// Its usual name.
    pub(crate) label: &'static str,
    /// A character instead of a logo.
    pub(crate) glyph: &'static str,
}

/// The variables of the template.
#[derive(Serialize)]
struct Variables {
    id: &'static str,
    name: &'static str,
    link: &'static str,
    is_changed: bool,
    changed_on: &'static str,
    is_desktop: bool,
    view: View<App>,
    /// The names of the apps as a list with "or".
    listed: String,
    apps: Vec<App>,
}

impl App {
    /// The app, with its name in `language`.
    pub(crate) fn new(platform: Platform, language: Language) -> Self {
        let row = platform.row();
        let label = match language {
            Language::Chinese => row.chinese,
            Language::English => row.english,
        };
        Self {
            platform,
            label,
            glyph: row.glyph,
        }
    }
}

impl FromIterator<Platform> for Apps {
    fn from_iter<I: IntoIterator<Item = Platform>>(platforms: I) -> Self {
        let mut apps = Self::default();
        for platform in platforms {
            apps.0[platform as usize] = true;
        }
        apps
    }
}

impl View<Platform> {
    fn named(self, language: Language) -> View<App> {
        let named = |platform| App::new(platform, language);
        match self {
            Self::Receive {
                app,
                is_inside,
                has_link,
                has_overview,
            } => View::Receive {
                app: named(app),
                is_inside,
                has_link,
                has_overview,
            },
            Self::Composite => View::Composite,
            Self::Missing { app } => View::Missing { app: named(app) },
        }
    }
}

impl Kind {
    /// The template's variables, with placeholders in the slots.
    fn variables(self) -> Variables {
        let apps = Platform::ALL.into_iter().zip(self.apps.0);
        let apps: Vec<App> = apps
            .filter(|(_, is_there)| *is_there)
            .map(|(platform, _)| App::new(platform, self.language))
            .collect();
        Variables {
            id: Slot::Id.mark(),
            name: Slot::Name.mark(),
            link: Slot::Link.mark(),
            is_changed: self.is_changed,
            changed_on: Slot::ChangedOn.mark(),
            is_desktop: self.is_desktop,
            view: self.view.named(self.language),
            listed: listed(&apps, self.language),
            apps,
        }
    }
}

/// Joins the names of apps with "or".
fn listed(apps: &[App], language: Language) -> String {
    let (comma, or) = match language {
        Language::Chinese => ("、", "或"),
        Language::English => (", ", " or "),
    };
    let labels: Vec<&str> = apps.iter().map(|app| app.label).collect();
    match labels.split_last() {
        Some((last, others)) if !others.is_empty() => [&others.join(comma), or, last].concat(),
        _ => labels.concat(),
    }
}

impl Pages {
    /// Renders the page of a code, compressed if `gzip` is set.
    pub(crate) fn code(&self, page: &CodePage<'_>, gzip: bool) -> anyhow::Result<Page> {
        let prerendered = self.prerendered_page(page.kind)?;
        let text = |slot| match slot {
            Slot::Id => page.id,
            Slot::Name => page.name,
            Slot::Link => page.link,
            Slot::ChangedOn => page.changed_on,
        };
        Ok(if gzip {
            self.packed_page(prerendered.fill(text))
        } else {
            self.page(prerendered.fill::<String>(text))
        })
    }

    fn prerendered_page(&self, kind: Kind) -> anyhow::Result<Arc<PrerenderedPage>> {
        let known = self
            .prerendered
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = known.get(&kind) {
            return Ok(Arc::clone(page));
        }
        drop(known);
        let page = Arc::new(PrerenderedPage::new(&self.marked(kind)?, &self.style)?);
        let mut known = self
            .prerendered
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(known.entry(kind).or_insert(page)))
    }

    /// Renders the template with placeholders in the slots.
    fn marked(&self, kind: Kind) -> anyhow::Result<String> {
        let context = Context::from_serialize(&kind.variables()).context("fill qrcode.html")?;
        self.render("qrcode.html", context, kind.language)
    }

    pub(super) fn try_codes(&self, language: Language) -> anyhow::Result<()> {
        let receive = |app, is_inside, has_link| View::Receive {
            app,
            is_inside,
            has_link,
            has_overview: !is_inside,
        };
        let views = Platform::ALL.into_iter().flat_map(|app| {
            [
                receive(app, true, false),
                receive(app, true, true),
                receive(app, false, false),
                receive(app, false, true),
                View::Missing { app },
            ]
        });
        for view in views.chain([View::Composite]) {
            let mut kind = Kind {
                language,
                is_desktop: false,
                is_changed: false,
                view,
                apps: Platform::ALL.into_iter().collect(),
            };
            self.marked(kind)?;
            kind.is_desktop = true;
            kind.is_changed = true;
            kind.apps = Apps::default();
            self.marked(kind)?;
        }
        Ok(())
    }
}
