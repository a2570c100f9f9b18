/** A platform whose receive codes can be merged. */
export type Platform = "wechat" | "alipay" | "qq" | "unionpay" | "jd" | "ecny";

/** The texts inside a person's receive codes; one or more. */
export type Payloads = Partial<Record<Platform, string>>;

/** Where the person pays. */
export type Channel = "miniapp" | "cashier" | "native";

/** What became of an order. */
export type OrderState = "pending" | "unknown" | "failed";

/** What a code held before a change. */
export interface Change {
  /** When it was changed (RFC 3339). */
  changedAt: string;
  name: string;
  payloads: Payloads;
}

/** A code of the person. */
export interface Code {
  id: string;
  name: string;
  payloads: Payloads;
  /** The address of its page, which the composite code holds. */
  url: string;
  /** When it was made (RFC 3339). */
  created_at: string;
  /** When it was last changed, if ever. */
  updatedAt?: string;
}

/** A page of the person's codes. */
export interface CodePage {
  /** At most 50, newest first. */
  codes: Code[];
  /** `before` of the next page; none on the last one. */
  next?: string;
}

/** A page of the changes of a code. */
export interface ChangePage {
  /** At most 10, newest first. The last 19 changes and the first are kept. */
  changes: Change[];
  /** `before` of the next page; none on the last one. */
  next?: string;
}

/** What a person wants a code of. */
export interface Wish {
  /** What the person calls the code: 1 to 32 visible characters. */
  name: string;
  payloads: Payloads;
  /** The price in fen. */
  totalFee: number;
  /** The default is "miniapp". */
  channel?: Channel;
  /** Whether the person says that codes which are perhaps no receive codes are some. */
  confirmed?: boolean;
}

/** An order that is kept between two starts of the mini-program. */
export interface PendingOrder {
  channel: Channel;
  outTradeNo: string;
  /** Known once PayJS has the order and told us. */
  payjsOrderId?: string;
}

/** An order to be paid. */
export interface Order extends PendingOrder {
  /** Of "miniapp": what `pay` hands to PayJS's mini-program. */
  params?: Record<string, string | number>;
  /** Of "cashier": PayJS's page, to be opened in WeChat. */
  cashierUrl?: string;
  /** Of "native": what the code holds that the person scans with WeChat, within two hours. */
  codeUrl?: string;
}

/** What PayJS's mini-program handed over. It is no proof of a payment. */
export interface Back {
  success: boolean;
  outTradeNo?: string;
  payjsOrderId?: string;
}

/** The scans of one day. */
export interface DayStats {
  /** The day in China, e.g. "2026-11-22". */
  day: string;
  total: number;
  /** By the platform whose app it was; "other" for other apps and browsers. */
  platforms: Partial<Record<Platform | "other", number>>;
}

/** The scans of a code. */
export interface Stats {
  total: number;
  /** The days on which it was scanned, newest first. */
  days: DayStats[];
}

/** A receive code that was read out of a picture. */
export interface Decoded {
  platform: Platform;
  payload: string;
}

/** Why there is no receive code in a picture. */
export type Reason =
  | "no_code"
  | "several_codes"
  | "receive_screen"
  | "payment_code"
  | "unknown_code"
  | "too_small"
  | "unreadable"
  | "not_a_picture"
  | "unsupported_format"
  | "too_many_pixels"
  | "too_large";

/** The part of `wx` that is used. */
export interface Wx {
  login(options: object): void;
  request(options: object): void;
  uploadFile(options: object): void;
  navigateToMiniProgram(options: object): void;
  getStorageSync(key: string): unknown;
  setStorageSync(key: string, value: unknown): void;
  removeStorageSync(key: string): void;
  getAppBaseInfo?(): { language?: string };
  getSystemInfoSync?(): { language?: string };
}

export interface Options {
  /** http.public_url of the api. */
  baseUrl: string;
  /** sign.app_key of the api. */
  appKey: string;
  /** What the names in the storage begin with; the default is "heyi". */
  storageKey?: string;
  /** Milliseconds that one request may take; the default is 15,000. */
  timeout?: number;
  /** The language of messages; the default is WeChat's own. */
  language?: "zh" | "en";
  /** Stands in for WeChat's own. */
  wx?: Wx;
}

/** A failure. Its `message` is for people, in the language of the client. */
export class HeyiError extends Error {
  constructor(message: string, code: number, more?: Partial<HeyiError>);
  /** The errcode of the api or of WeChat; 0 without an answer. */
  readonly code: number;
  /** What became of an order, where `wait` fails. */
  readonly state?: OrderState;
  /** Why `decode` fails; none where the network does. */
  readonly reason?: Reason;
  /** What happened, in words for a log. */
  readonly detail?: string;
  /** Codes that `decode` found although it fails: of several, those of platforms that occur once; else the one to be confirmed. */
  readonly payloads?: Payloads;
  /** The platform of a code that `order` and `update` take with `confirmed`. */
  readonly unconfirmed?: string;
}

/** The client of one api. */
export class Heyi {
  constructor(options: Options);
  /** The openid of who is logged in; null for nobody. */
  readonly openid: string | null;
  /** The order that is being paid; null for none. */
  readonly pending: PendingOrder | null;
  /** Logs in and resolves with the person's newest codes. The other calls do so by themselves when they must. */
  login(): Promise<CodePage>;
  /** Makes an order for a code. */
  order(wish: Wish): Promise<Order>;
  /** Opens PayJS's mini-program for an order of the channel "miniapp". Call it from a tap. */
  pay(order: Order): Promise<void>;
  /** To be given the options of every App.onShow; null when the person does not come from PayJS. */
  cameBack(options: object | undefined): Back | null;
  /** Waits until the pending order has become a code, and resolves with the code's id. */
  wait(options?: { timeout?: number; every?: number }): Promise<string>;
  /** Gives the pending order up. */
  forget(): void;
  /** Resolves with a page of the person's codes, newest first. */
  list(options?: { before?: string }): Promise<CodePage>;
  /** Resolves with all codes of the person, newest first. */
  listAll(): Promise<Code[]>;
  /** Changes what the page of a code shows; the printed code stays. */
  update(id: string, content: { name: string; payloads: Payloads; confirmed?: boolean }): Promise<void>;
  /** Resolves with a page of what a code held before it was changed. */
  changes(id: string, options?: { before?: string }): Promise<ChangePage>;
  /** Resolves with how often a code was scanned, during the last 30 days or as many as asked, at most 90. */
  stats(id: string, options?: { days?: number }): Promise<Stats>;
  /** Deletes a code, also repeatedly. */
  remove(id: string): Promise<void>;
  /** Reads the receive code in a picture, by a path as wx.chooseMedia gives one. */
  decode(filePath: string): Promise<Decoded>;
  /** The address that the composite code holds. */
  pageUrl(id: string): string;
  /** The composite code as a picture. */
  pictureUrl(id: string, options?: { format?: "png" | "svg"; size?: number }): string;
  /** A poster to print; "pair" needs the receive codes of WeChat and Alipay. */
  posterUrl(
    id: string,
    options?: {
      style?: "classic" | "dark" | "stand" | "sticker" | "pair";
      lang?: "zh" | "en";
      format?: "png" | "svg";
      /** The width of a PNG in pixels, 400 to 2048. */
      size?: number;
    },
  ): string;
}

/** MD5 of a text's UTF-8, in upper-case hex. */
export function md5(text: string): string;

/** The signature of parameters with a key. */
export function sign(params: Record<string, unknown>, key: string): string;
