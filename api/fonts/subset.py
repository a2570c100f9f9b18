"""Cuts the font of the posters down to what names and labels are made of: `cargo xtask font` runs it.

subset.py <the whole font> <where the subset goes>
"""

import sys

from fontTools import subset

# In names of people and shops, and not in GB 2312.
FREQUENT_IN_NAMES = (
    "喆堃玥珺昇犇垚焱囍祎翀赟皓婳彧昉璟翊曌旻頔靓粿焗煲煀馔饸饹鲃堔甪栢祐晞煊炘烜燊堯喬"
    "暟昶瑀瑄珅珮琀琍瑢玏珩鋆钰锜铖淏湉滢潆汭沄宸屾峣巍嵘菓薈萇芃苡茗馥酩酲囧嘢咗啲佢嘅冇叻"
    "邨廣東國際華麗龍鳳興發財寶號莊樓園書館飯麵餅魚雞鴨豬羊醫藥張陳劉趙吳黃鄭馬許鄧馮葉蔣賈譚鄒蘇盧鐘"
)
LATIN = [*range(0x20, 0x7F), *range(0xA0, 0x180)]
PUNCTUATION = [*range(0x2010, 0x2028), 0x2030, 0x2039, 0x203A, 0x20AC]


def gb2312():
    """The common hanzi (6,763), and the signs beside them in that standard."""
    pairs = (bytes([row, cell]) for row in range(0xA1, 0xF8) for cell in range(0xA1, 0xFF))
    return "".join(pair.decode("gb2312", "ignore") for pair in pairs)


def main(whole, part):
    options = subset.Options()
    options.layout_features = []
    options.hinting = False
    options.glyph_names = False
    options.notdef_outline = True
    # The licence, whose it is and where it is from stay in the file.
    options.name_IDs = [0, 1, 2, 4, 5, 6, 7, 13, 14]
    options.drop_tables += ["BASE", "DSIG", "GDEF", "GPOS", "GSUB", "STAT", "gasp", "meta", "vhea", "vmtx"]
    font = subset.load_font(whole, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=gb2312() + FREQUENT_IN_NAMES, unicodes=LATIN + PUNCTUATION)
    subsetter.subset(font)
    subset.save_font(font, part, options)


if __name__ == "__main__":
    main(*sys.argv[1:])
