// What the page says, in English and Chinese. A {name} is replaced by a value.

export const WORDS = {
  en: {
    skip: "Skip to the results", pick: "Customers and products", customers: "Customers", products: "Products",
    find_customer: "Find a customer by id", find_item: "Find a product by title", previous: "Previous page",
    next: "Next page", page: "{page} of {pages}", tasks: "Tasks", recommend: "Recommend", search: "Search",
    ask: "Ask", sentiment: "Sentiment", review: "Draft a review", customer: "Customer", product: "Product",
    nobody: "Nobody chosen: a new visitor.", remove: "Remove {name}", events: "{n} events", sold: "{n} events",
    footer: "Everything on this page comes from this server; nothing is sent elsewhere.",
    key_title: "This server asks for a key", key_label: "API key, kept until this tab is closed", key_use: "Use it",
    theme_auto: "Theme: auto", theme_light: "Theme: light", theme_dark: "Theme: dark",
    for_customer: "For customer {name}", for_item: "For someone looking at “{name}”", for_new: "For a new visitor",
    history: "Seen lately", wish: "Looking for… (optional)", wish_hint: "a warm gift for a camper",
    wish_button: "Recommend", because: "Because of", no_items: "Nothing fits. Loosen the words or choose someone else.",
    new_customer: "This customer has no history, so these are what suits a new visitor.",
    search_label: "What are you looking for?", search_hint: "light tent for two", search_button: "Search",
    search_empty: "Describe what you want in your own words; meaning counts, not only the exact words.",
    ask_label: "Your question", ask_hint: "Is it machine washable?", ask_button: "Ask", ask_about: "About “{name}”",
    ask_all: "About the whole catalogue. Choose a product to ask about it alone.",
    ask_empty: "Answers come from the shop's own text, and say so when it does not know.",
    ask_again: "New conversation", you: "You", shop: "Shop", unknown: "Not in the shop's data", evidence: "Evidence",
    confidence: "confidence {value}", s_attribute: "attribute", s_title: "title", s_description: "description",
    s_review: "review", s_answer: "earlier answer", s_bullet: "bullet", text_label: "A review or a message",
    text_hint: "Soft and warm, but the zip broke after a week.", aspect_label: "About one aspect (optional)",
    aspect_hint: "zip", sentiment_button: "Read", sentiment_empty: "Paste a text to see how its writer feels.",
    negative: "negative", neutral: "neutral", positive: "positive", review_need: "Choose a product first.",
    review_for: "A review of “{name}”", stars: "Stars", aspects_label: "Aspects, separated by commas (optional)",
    aspects_hint: "warmth, zip", draft_language: "Language", as_shop: "as the product", english: "English",
    chinese: "Chinese", in_style: "Draw on the past reviews of {name}", review_button: "Draft", another: "Another draft",
    generated: "Generated draft", generated_note: "A machine wrote this. Nobody used the product to say it.",
    copy: "Copy with its mark", copied: "Copied", by: "by {name}", absent: "This run has no “{task}” task.",
    loading: "Working…", failed: "That did not work", retry: "Try again", offline: "The server cannot be reached.",
    none_found: "Nobody and nothing found.", no_customers: "This run has no customers.",
    hidden_customers: "This server does not show customers.", no_title: "No title",
  },
  zh: {
    skip: "跳到结果", pick: "顾客与商品", customers: "顾客", products: "商品", find_customer: "按编号查找顾客",
    find_item: "按标题查找商品", previous: "上一页", next: "下一页", page: "第 {page} / {pages} 页", tasks: "任务",
    recommend: "推荐", search: "搜索", ask: "问答", sentiment: "情感", review: "评论草稿", customer: "顾客",
    product: "商品", nobody: "尚未选择：视为新访客。", remove: "移除{name}", events: "{n} 条行为", sold: "{n} 次行为",
    footer: "本页所有内容均来自这台服务器，不会发送到别处。", key_title: "此服务器需要密钥",
    key_label: "API 密钥，仅保留到关闭此标签页", key_use: "使用", theme_auto: "主题：自动", theme_light: "主题：浅色",
    theme_dark: "主题：深色", for_customer: "为顾客 {name} 推荐", for_item: "为正在看“{name}”的人推荐",
    for_new: "为新访客推荐", history: "最近看过", wish: "想找……（可不填）", wish_hint: "送给露营者的保暖礼物",
    wish_button: "推荐", because: "依据", no_items: "没有合适的商品。请放宽条件或换一位顾客。",
    new_customer: "这位顾客没有历史记录，因此按新访客推荐。", search_label: "想找什么？", search_hint: "双人轻便帐篷",
    search_button: "搜索", search_empty: "用自己的话描述即可：看重含义，而不只是字面。", ask_label: "您的问题",
    ask_hint: "可以机洗吗？", ask_button: "提问", ask_about: "关于“{name}”", ask_all: "面向整个商品目录。选择一件商品即可只问它。",
    ask_empty: "回答只依据店铺自己的文字；不知道时会直说。", ask_again: "新的对话", you: "您", shop: "店铺",
    unknown: "店铺资料中没有", evidence: "依据", confidence: "置信度 {value}", s_attribute: "属性", s_title: "标题",
    s_description: "描述", s_review: "评论", s_answer: "以往回答", s_bullet: "要点", text_label: "评论或留言",
    text_hint: "又软又暖和，可是拉链一周就坏了。", aspect_label: "只看某一方面（可不填）", aspect_hint: "拉链",
    sentiment_button: "判断", sentiment_empty: "粘贴一段文字，看看作者的感受。", negative: "负面", neutral: "中性",
    positive: "正面", review_need: "请先选择一件商品。", review_for: "“{name}”的评论", stars: "星级",
    aspects_label: "方面，用逗号分隔（可不填）", aspects_hint: "保暖，拉链", draft_language: "语言", as_shop: "与商品相同",
    english: "英文", chinese: "中文", in_style: "参考顾客 {name} 以往的评论", review_button: "起草", another: "再来一份",
    generated: "机器生成的草稿", generated_note: "由机器撰写，并非真实使用体验。", copy: "连同标记一起复制", copied: "已复制",
    by: "由 {name} 生成", absent: "本次运行没有“{task}”任务。", loading: "处理中……", failed: "没有成功", retry: "重试",
    offline: "无法连接服务器。", none_found: "没有找到。", no_customers: "本次运行没有顾客数据。",
    hidden_customers: "此服务器不展示顾客。", no_title: "无标题",
  },
};

const stored = localStorage.getItem("retailor-language");
let language = stored in WORDS ? stored : navigator.language.startsWith("zh") ? "zh" : "en";

export const currentLanguage = () => language;

export function setLanguage(name) {
  language = name;
  localStorage.setItem("retailor-language", name);
}

export function say(key, values = {}) {
  const text = WORDS[language][key] ?? WORDS.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
