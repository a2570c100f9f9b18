//! WeChat's and Alipay's own receive codes beside the composite one: still pays when our domain is blocked.

use heyi_common::platform::Platform;
use qrcode::types::QrError;

use super::Content;
use crate::{
    pages::App,
    pictures::poster::{
        canvas::{Align, Area, Canvas, Colour, Line, WHITE},
        font::Font,
        parts::{INK, Look, apps, brand, centred, tile},
        text::write_into,
    },
};

/// What it cannot do without.
pub(in crate::pictures::poster) const OWN: [Platform; 2] = [Platform::Wechat, Platform::Alipay];

const PAPER: Colour = Colour(0xF4_F4_F1);
const LINE: Colour = Colour(0xDE_DE_D7);
const QUIET: Colour = Colour(0x5A_60_68);

pub(in crate::pictures::poster) fn draw<'a>(
    font: &'a Font,
    content: &Content<'_>,
) -> Result<Canvas<'a>, QrError> {
    let mut page = Canvas::new(1080.0, 1440.0, font);
    page.block(page.area(), 0.0, PAPER);
    let name = Area::new(70.0, 56.0, 940.0, 152.0);
    write_into(&mut page, content.name, Align::Centre, name, 96.0, INK);
    let scan = Line {
        text: content.words.scan_yours,
        size: 38.0,
        colour: QUIET,
    };
    centred(&mut page, scan, 940.0, 540.0, 266.0);
    let (own, others): (Vec<App>, Vec<App>) =
        (content.apps.iter().copied()).partition(|app| OWN.contains(&app.platform));
    for (app, x) in own.into_iter().zip([56.0, 552.0]) {
        receive_code(&mut page, content, app, Area::new(x, 322.0, 472.0, 584.0))?;
    }
    composite_code(&mut page, content, &others)?;
    let check = Line {
        text: content.words.check,
        size: 29.0,
        colour: QUIET,
    };
    centred(&mut page, check, 940.0, 540.0, 1384.0);
    Ok(page)
}

fn receive_code(
    page: &mut Canvas<'_>,
    content: &Content<'_>,
    app: App,
    area: Area,
) -> Result<(), QrError> {
    page.block(area, 48.0, brand(app.platform));
    let label = format!("{}{}", app.label, content.words.code_of);
    let width = page.font().width(&label) * 42.0;
    let middle = (area.centre().0, area.y + 62.0);
    let square = Area::new(
        middle.0 - (60.0 + 18.0 + width) / 2.0,
        middle.1 - 30.0,
        60.0,
        60.0,
    );
    tile(page, app, square, 18.0, Some((WHITE, brand(app.platform))));
    let line = Line {
        text: &label,
        size: 42.0,
        colour: WHITE,
    };
    page.text(&line, Align::Left, square.x + 78.0, middle.1);
    let plate = Area::new(area.x + 18.0, area.y + 124.0, 436.0, 442.0);
    page.block(plate, 34.0, WHITE);
    page.code(content.receive(app.platform)?, plate.within(6.0));
    Ok(())
}

fn composite_code(
    page: &mut Canvas<'_>,
    content: &Content<'_>,
    others: &[App],
) -> Result<(), QrError> {
    let card = Area::new(56.0, 934.0, 968.0, 390.0);
    page.block(card, 48.0, LINE);
    page.block(card.within(2.0), 46.0, WHITE);
    page.code(content.composite()?, Area::new(76.0, 949.0, 360.0, 360.0));
    let text = Area::new(464.0, 934.0, 520.0, 390.0);
    let has_others = !others.is_empty();
    let words = content.words;
    let title = if has_others { words.others } else { words.also };
    let up = if has_others { 66.0 } else { 30.0 };
    let slot = Area {
        y: text.centre().1 - up - 32.0,
        height: 64.0,
        ..text
    };
    write_into(page, title, Align::Left, slot, 50.0, INK);
    let slot = Area {
        y: text.centre().1 - up + 42.0,
        height: 44.0,
        ..text
    };
    write_into(page, words.composite, Align::Left, slot, 32.0, QUIET);
    if has_others {
        let look = Look {
            pill: PAPER,
            text: INK,
            tile: None,
        };
        let row = Area::new(text.x, text.centre().1 + 42.0, text.width, 80.0);
        apps(page, others, Align::Left, row, 29.0, &look);
    }
    Ok(())
}
