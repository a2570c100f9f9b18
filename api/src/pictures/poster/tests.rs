use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};

use resvg::{
    tiny_skia::Pixmap,
    usvg::{Node, fontdb::Source},
};

use super::*;

const URL: &str = "https://heyi.example.com/qr?id=0123456789abcdef01234567";
const LANGUAGES: [Language; 2] = Language::ALL;
/// 🍜 and 𠮷 as triangles.
static FALLBACK: &[u8] = include_bytes!("../../../tests/fallback.ttf");
const NAMES: [&str; 8] = [
    "店",
    "A",
    "巷口小店",
    "Grandmother's Kitchen & Bakery",
    "老街坊（南京东路店）手工水饺馄饨铺子🥟🍜，24 小时营业！",
    "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
    "👨‍👩‍👧‍👦🇨🇳👍🏽",
    "<script>alert('1')</script>&\"",
];

/// Uses only the built-in font, so that tests do not depend on the machine.
fn posters() -> Posters {
    Posters::with(&Database::new()).unwrap()
}

/// The platforms that have a sample code.
fn sampled() -> Vec<Platform> {
    let all = Platform::ALL.into_iter();
    all.filter(|platform| platform.row().sample.is_some())
        .collect()
}

fn subject(name: &str, language: Language, platforms: &[Platform]) -> Subject {
    let all = heyi_testkit::world::payloads();
    let payload = |platform: &Platform| all[platform.name()].as_str().unwrap().to_owned();
    let payloads = platforms
        .iter()
        .map(|platform| (*platform, payload(platform)));
    Subject {
        content: Content {
            name: name.to_owned(),
            payloads: payloads.collect(),
        },
        url: URL.to_owned(),
        language,
    }
}

fn full(name: &str) -> Subject {
    subject(name, Language::Chinese, &sampled())
}

/// A decoded PNG, as a scanner sees it.
struct Seen {
    width: usize,
    height: usize,
    grey: Vec<u8>,
}

/// Left, top, right and bottom edges, in hundredths of a poster's width.
type Window = [usize; 4];

impl Seen {
    fn new(file: &[u8]) -> Self {
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let grey = |pixel: &[u8]| {
            let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
            u8::try_from((299 * red + 587 * green + 114 * blue) / 1000).unwrap()
        };
        Self {
            width: info.width as usize,
            height: info.height as usize,
            grey: pixels.chunks(3).map(grey).collect(),
        }
    }

    /// The texts of the codes in a window.
    fn codes_in(&self, window: Window) -> Vec<String> {
        let [left, top, right, bottom] = window.map(|edge| edge * self.width / 100);
        let bottom = bottom.min(self.height);
        let grey = |x: usize, y: usize| self.grey[(top + y) * self.width + left + x];
        let (width, height) = (right - left, bottom - top);
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
        let grids = image.detect_grids().into_iter();
        grids.map(|grid| grid.decode().unwrap().1).collect()
    }
}

const ALL: Window = [0, 0, 100, 150];
const COMPOSITE_OF_PAIR: Window = [6, 87, 42, 122];

#[test]
fn every_code_of_every_poster_is_read_back_where_it_should_be() {
    let posters = posters();
    let subject = full(NAMES[4]);
    let own = |platform| subject.content.payloads[&platform].clone();
    for width in [400, 401, 555, 1080, 2048] {
        for style in Style::ALL {
            let seen = Seen::new(&posters.png(&subject, style, width).unwrap().file);
            assert_eq!(seen.width, usize::from(width));
            // The last row is complete.
            let edge: Vec<_> = seen.grey.chunks(seen.width).map(|row| row[0]).collect();
            assert_eq!(
                edge[seen.height - 1],
                edge[seen.height - 4],
                "{style:?} {width}"
            );
            let expected: Vec<(Window, String)> = match style {
                // One window per code, as a phone is pointed at one.
                Style::Pair => vec![
                    ([4, 29, 49, 85], own(Platform::Wechat)),
                    ([51, 29, 96, 85], own(Platform::Alipay)),
                    (COMPOSITE_OF_PAIR, URL.to_owned()),
                ],
                _ => vec![(ALL, URL.to_owned())],
            };
            for (window, text) in expected {
                assert_eq!(seen.codes_in(window), [text], "{style:?} {width}");
            }
        }
    }
}

#[test]
fn whatever_the_name_its_code_is_read_back_and_all_of_it_is_on_the_paper() {
    let posters = posters();
    let all = sampled();
    let sets = [&all[..], &all[..2]];
    for (name, platforms) in NAMES.into_iter().zip(sets.into_iter().cycle()) {
        for (style, language) in Style::ALL.into_iter().zip(LANGUAGES.into_iter().cycle()) {
            let subject = subject(name, language, platforms);
            let tree = posters.draw(&subject, style, 0.0).unwrap().tree;
            let paper = tree.size().to_rect(0.0, 0.0);
            assert_eq!(
                Some(tree.root().abs_bounding_box()),
                paper,
                "{style:?} {name}"
            );
            let seen = Seen::new(&posters.png(&subject, style, 600).unwrap().file);
            let window = if style == Style::Pair {
                COMPOSITE_OF_PAIR
            } else {
                ALL
            };
            assert_eq!(seen.codes_in(window), [URL], "{style:?} {name}");
        }
    }
}

#[test]
fn no_pixel_of_a_code_is_grey() {
    let posters = posters();
    let subject = full(NAMES[4]);
    for width in [400, 401, 777, 1080] {
        for style in Style::ALL {
            let scale = f32::from(width) / posters.widths[style as usize];
            let tree = posters.draw(&subject, style, scale).unwrap().tree;
            let file = posters.png(&subject, style, width).unwrap().file;
            let picture = Pixmap::decode_png(&file).unwrap();
            for id in ["composite", "wechat", "alipay"] {
                let Some(Node::Group(code)) = tree.node_by_id(id) else {
                    continue;
                };
                let area = code.abs_bounding_box();
                let [x, y, side] = [area.x(), area.y(), area.width()].map(|edge| edge * scale);
                for edge in [x, y, side] {
                    assert!(
                        (edge - edge.round()).abs() < 0.01,
                        "{style:?} {width}: {edge}"
                    );
                }
                let [x, y, side] = [x, y, side].map(|edge| png::pixels(edge.round()));
                let pixels = (y..y + side).flat_map(|y| (x..x + side).map(move |x| (x, y)));
                let colours: BTreeSet<_> = pixels
                    .map(|(x, y)| picture.pixel(x, y).unwrap().red())
                    .collect();
                assert_eq!(colours, [0, 255].into(), "{style:?} {width}: {id}");
            }
        }
    }
}

#[test]
fn a_poster_too_small_for_one_of_its_codes_is_refused_and_says_what_is_enough() {
    let posters = posters();
    let mut subject = full("店");
    subject.url = format!("https://{}.example.com/qr?id=0123", "heyi.".repeat(40));
    let refused = posters.png(&subject, Style::Pair, 400);
    let Err(PosterError::Png(PngError::TooSmall(least))) = refused else {
        panic!("it was drawn");
    };
    let least = u16::try_from(least).unwrap();
    assert!(posters.png(&subject, Style::Pair, least - 1).is_err());
    let seen = Seen::new(&posters.png(&subject, Style::Pair, least).unwrap().file);
    assert_eq!(seen.codes_in(COMPOSITE_OF_PAIR), [subject.url]);
}

#[test]
fn what_cannot_be_a_code_is_an_error() {
    let posters = posters();
    let mut subject = full("店");
    subject.url = "a".repeat(3000);
    for style in Style::ALL {
        assert!(matches!(
            posters.svg(&subject, style),
            Err(PosterError::Code(_))
        ));
    }
}

/// CPU time of this thread, which other threads do not affect.
fn spent() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

#[test]
fn the_largest_posters_are_painted_soon_and_are_not_large() {
    let posters = posters();
    let subject = full(NAMES[4]);
    for style in Style::ALL {
        let start = spent();
        let file = posters.png(&subject, style, 2048).unwrap().file;
        let spent = spent().saturating_sub(start);
        assert!(spent.as_secs() < 2, "{style:?}: {spent:?}");
        assert!(file.len() < 600_000, "{style:?}: {}", file.len());
        let svg = posters.svg(&subject, style).unwrap().file;
        assert!(svg.len() < 160_000, "{style:?}: {}", svg.len());
        // An image in memory takes four bytes per pixel.
        let page = posters.draw(&subject, style, 0.0).unwrap().tree.size();
        let bytes = 4.0 * 2048.0 * 2048.0 * page.height() / page.width();
        assert!(bytes < 24.0 * 1024.0 * 1024.0, "{style:?}: {bytes}");
    }
}

/// Asserts that it has outlines, groups and a title, but no scripts or addresses.
fn assert_harmless(svg: &str) {
    for tag in svg.split('<').skip(1) {
        let name: String = tag
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        let known = ["svg", "title", "path", "g"].contains(&name.as_str());
        assert!(known || tag.starts_with('/'), "<{tag}");
    }
    let (head, drawing) = svg.split_once("</title>").unwrap();
    assert_eq!(head.matches("://").count(), 2);
    for word in ["://", "href", "url(", "style", " on", "data:", "&"] {
        assert!(!drawing.contains(word), "{word}");
    }
}

#[test]
fn an_svg_has_a_title_and_no_scripts_whatever_the_name() {
    let posters = posters();
    for style in Style::ALL {
        let svg = posters
            .svg(&full("</title><script>'1'&\"]]>\u{7}\u{FFFF}"), style)
            .unwrap()
            .file;
        assert_harmless(&svg);
        let title = "<title>&lt;/title&gt;&lt;script&gt;&#39;1&#39;&amp;&quot;]]&gt;</title>";
        assert!(svg.contains(title), "{svg:.300}");
    }
}

#[test]
fn languages_change_the_labels() {
    let posters = posters();
    for style in Style::ALL {
        let [chinese, english] = LANGUAGES.map(|language| {
            let subject = subject("店", language, &sampled());
            posters.svg(&subject, style).unwrap().file
        });
        assert_ne!(chinese, english, "{style:?}");
    }
}

#[test]
fn a_fallback_font_is_used_and_what_no_font_has_is_one_box_and_reported() {
    let drawn = |posters: &Posters, name| {
        let poster = posters.svg(&full(name), Style::Classic).unwrap();
        let (_, drawing) = poster.file.split_once("</title>").unwrap();
        (drawing.to_owned(), poster.missing)
    };
    let mut fallback = Database::new();
    fallback.load_font_source(Source::Binary(Arc::new(FALLBACK)));
    let [alone, helped] = [posters(), Posters::with(&fallback).unwrap()];
    for (posters, name, like, missing) in [
        (&alone, "店🍜", "店□", "🍜"),
        (&alone, "𠮷🥟", "□□", "𠮷🥟"),
        (&helped, "𠮷🥟", "𠮷□", "🥟"),
        (&alone, "👨‍👩‍👧‍👦🇨🇳👍🏽", "□□□", "👨👩👧👦🇨🇳👍🏽"),
        (&alone, "e\u{301}店", "é店", ""),
        (&alone, "q\u{303}", "q", "\u{303}"),
        (&helped, "店🍜👨‍👩‍👧‍👦店", "店🍜□店", "👨👩👧👦"),
    ] {
        let (drawing, lacks) = drawn(posters, name);
        assert_eq!(drawing, drawn(posters, like).0, "{name}");
        assert_eq!(lacks, missing.chars().collect::<Vec<_>>(), "{name}");
    }
    assert_ne!(drawn(&alone, "🍜"), drawn(&helped, "🍜"));
    // Invisible characters do not count as missing.
    assert!(
        helped
            .fonts
            .drawable("店\u{FE0F}🍜\u{FE0F}\u{200B}")
            .1
            .is_empty()
    );
}

#[test]
fn the_built_in_font_has_the_common_hanzi_and_those_of_names() {
    let words = "的一是不了人我在有他这国啊齄豌鑫淼喆堃玥珺犇垚焱囍燊張陳國際廣東éßЖЯあアΩ—“”，。（）·…€¥ □";
    let fonts = Fonts::new(&Database::new()).unwrap();
    assert_eq!(fonts.drawable(words), (words.to_owned(), vec![]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_name_breaks_a_poster(name in "\\PC{1,32}|.{1,32}|[<>&'\"/a-z ]{1,32}", index in 0..Style::ALL.len()) {
        assert_harmless(&posters().svg(&full(&name), Style::ALL[index]).unwrap().file);
    }
}
