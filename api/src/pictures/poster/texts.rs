//! What is printed on posters besides names.

use crate::http::language::Language;

/// The texts of one language.
pub(super) struct Texts {
    /// What to do.
    pub(super) scan: &'static str,
    /// The same where there are several codes.
    pub(super) scan_yours: &'static str,
    /// Above the composite code beside others.
    pub(super) others: &'static str,
    /// The same where it holds nothing but those others.
    pub(super) also: &'static str,
    /// What the composite code is.
    pub(super) composite: &'static str,
    /// Behind the name of an app whose code it is.
    pub(super) code_of: &'static str,
    /// The honest line.
    pub(super) check: &'static str,
}

impl Texts {
    /// Those of `language`.
    pub(super) const fn of(language: Language) -> &'static Self {
        match language {
            Language::Chinese => &CHINESE,
            Language::English => &ENGLISH,
        }
    }
}

static CHINESE: Texts = Texts {
    scan: "扫一扫付款",
    scan_yours: "用哪个应用，就扫哪个码",
    others: "其他应用扫这个码",
    also: "也可以扫这个码",
    composite: "合一收款码",
    code_of: "收款码",
    check: "名称由收款人自己填写，付款前请核对收款人",
};

static ENGLISH: Texts = Texts {
    scan: "Scan to pay",
    scan_yours: "Scan the code of your app",
    others: "Any other app: scan here",
    also: "Or scan this one",
    composite: "Heyi, one code for every app",
    code_of: " code",
    check: "The payee chose this name. Check the payee before you pay.",
};
