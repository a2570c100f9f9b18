//! A square to stick on a wall, a till or a cart.

use qrcode::types::QrError;

use super::Content;
use crate::pictures::poster::{
    canvas::{Align, Area, Canvas, Colour, Line, WHITE},
    font::Font,
    parts::{INK, Look, apps, centred},
    text::write_into,
};

const YELLOW: Colour = Colour(0xFF_D0_2E);
const BROWN: Colour = Colour(0x5C_48_05);

pub(in crate::pictures::poster) fn draw<'a>(
    font: &'a Font,
    content: &Content<'_>,
) -> Result<Canvas<'a>, QrError> {
    let mut page = Canvas::new(1000.0, 1000.0, font);
    page.block(page.area(), 0.0, YELLOW);
    page.frame(page.area().within(22.0), 54.0, 10.0, INK);
    let name = Area::new(80.0, 46.0, 840.0, 104.0);
    write_into(&mut page, content.name, Align::Centre, name, 76.0, INK);
    let plate = Area::new(176.0, 166.0, 648.0, 648.0);
    page.block(plate.within(-10.0), 46.0, INK);
    page.block(plate, 36.0, WHITE);
    page.code(content.composite()?, plate.within(8.0));
    let look = Look {
        pill: INK,
        text: WHITE,
        tile: Some((YELLOW, INK)),
    };
    let row = Area::new(70.0, 832.0, 860.0, 66.0);
    apps(&mut page, &content.apps, Align::Centre, row, 29.0, &look);
    let check = Line {
        text: content.words.check,
        size: 21.0,
        colour: BROWN,
    };
    centred(&mut page, check, 860.0, 500.0, 929.0);
    Ok(page)
}
