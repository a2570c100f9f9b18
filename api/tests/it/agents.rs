//! `User-Agent`s of apps and browsers.

pub(crate) const ALIPAY: &str = "Mozilla/5.0 (Linux; U; Android 13) AppleWebKit/537.36 UCBrowser/11.8 Mobile Safari/537.36 \
    AlipayDefined(nt:WIFI,ws:393|0|2.75) AliApp(AP/10.5.0.8000) AlipayClient/10.5.0.8000 Language/zh-Hans";
pub(crate) const WECHAT: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 16_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 \
    MicroMessenger/8.0.38(0x1800262c) NetType/WIFI Language/zh_CN";
pub(crate) const WECHAT_ON_WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 Chrome/107.0 Safari/537.36 \
    MicroMessenger/7.0.20.1781(0x6700143B) WindowsWechat(0x6309092b) XWEB/8555";
pub(crate) const UNIONPAY: &str = "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 (com.unionpay.chsp) (cordova 4.5.4) \
    (updebug 0) (version 1009) (UnionPay/1.0 CloudPay)";
pub(crate) const JD: &str = "jdapp;android;11.0.0;12;network/wifi;Mozilla/5.0 (Linux; Android 12) MQQBrowser/6.2 TBS/046033";
pub(crate) const QQ: &str = "Mozilla/5.0 (Linux; Android 13) MQQBrowser/6.2 TBS/046613 Mobile Safari/537.36 \
    V1_AND_SQ_8.9.80_4614 QQ/8.9.80.12440 NetType/WIFI";
pub(crate) const QQ_BROWSER: &str =
    "Mozilla/5.0 (Linux; U; Android 13) AppleWebKit/537.36 MQQBrowser/14.0 Mobile Safari/537.36";
pub(crate) const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36";
pub(crate) const JD_FINANCE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) Mobile/15E148/application=JDJR-App\
    &clientType=ios&CpayJS=UnionPay/1.0 JDJR&sPoint=";
pub(crate) const JD_LITE: &str = "jdltapp;android;6.8.0;;;M/5.0;hasUPPay/0;lang/zh_CN;Mozilla/5.0 (Linux; Android 13) Mobile Safari/537.36";
pub(crate) const QQ_ON_WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 QQ/9.9.9-23361 Chrome/114.0 \
    Electron/25.3.1 Safari/537.36";
pub(crate) const HARMONY_PC: &str = "Mozilla/5.0 (PC; OpenHarmony 5.0; HarmonyOS 5.0) AppleWebKit/537.36 Chrome/114.0 Safari/537.36 ArkWeb/4.1";
