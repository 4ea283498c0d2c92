# ruff: noqa: E501
"""The words of the demo shop: their shape, and the English ones. Every brand and person is invented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    """One kind of product: its names do not share words, so that only meaning joins them."""

    key: str
    names: tuple[str, ...]
    category: tuple[str, ...]
    materials: tuple[str, ...]
    special: tuple[str, tuple[str, ...]]
    """An attribute of this kind of product alone: its name and its possible values."""
    about: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """A sentence for descriptions, the question it answers, and the answer; `{n}` is drawn an item."""

    sentence: str
    question: str
    answer: str
    low: int = 2
    high: int = 9


@dataclass(frozen=True)
class Aspect:
    """What reviews talk about: sentences for and against it, and the question a customer asks."""

    key: str
    question: str
    good: tuple[str, ...]
    bad: tuple[str, ...]


@dataclass(frozen=True)
class Theme:
    """A latent interest of customers, and all that a shop says about it."""

    key: str
    products: tuple[Product, ...]
    moods: tuple[str, ...]
    facts: tuple[Fact, ...]
    aspects: tuple[Aspect, ...]
    needs: tuple[str, ...]
    """Searches for the theme that name no product."""


@dataclass(frozen=True)
class Language:
    """All words of one language."""

    code: str
    themes: tuple[Theme, ...]
    brands: tuple[str, ...]
    adjectives: tuple[str, ...]
    colours: tuple[str, ...]
    titles: tuple[str, ...]
    intros: tuple[str, ...]
    closings: tuple[str, ...]
    attribute_names: Mapping[str, str]
    attribute_questions: tuple[str, ...]
    attribute_answers: tuple[str, ...]
    aspects: tuple[Aspect, ...]
    verdicts: Mapping[int, tuple[str, ...]]
    """Whole-review sentences, by stars."""
    headlines: Mapping[int, tuple[str, ...]]
    neutral: tuple[str, ...]
    contact: tuple[str, ...]
    unanswerable: tuple[str, ...]
    search: tuple[str, ...]
    join: str


def _facts(*rows: tuple[str, str, str] | tuple[str, str, str, int, int]) -> tuple[Fact, ...]:
    return tuple(Fact(*row) for row in rows)


OUTDOOR = Theme(
    "outdoor",
    (
        Product("tent", ("Tent", "Two-Person Dome Shelter", "Bivouac"), ("Garden & Leisure", "Shelters"),
                ("ripstop nylon", "coated polyester", "cotton canvas"), ("Sleeping places", ("1 person", "2 people", "4 people")),
                ("Goes up in five minutes, even in the dark.", "The porch keeps muddy boots out of where you sleep.")),
        Product("sleeping-bag", ("Sleeping Bag", "Mummy Quilt", "Down Cocoon"), ("Bed & Rest", "Bags"),
                ("goose down", "hollow fibre", "brushed polyester"), ("Comfort temperature", ("-8 °C", "0 °C", "7 °C", "12 °C")),
                ("Holds its loft night after night at altitude.", "The hood draws tight when the temperature drops.")),
        Product("backpack", ("Backpack", "Trekking Rucksack", "Hiking Daypack"), ("Luggage", "Carried on the Back"),
                ("Cordura", "recycled nylon", "waxed cotton"), ("Volume", ("18 L", "28 L", "45 L", "65 L")),
                ("The hip belt takes the load off your shoulders on long climbs.", "Side pockets hold a bottle within reach.")),
        Product("boots", ("Hiking Boots", "Mountain Walking Shoes", "Trail Footwear"), ("Shoes", "Sturdy"),
                ("full-grain leather", "suede and mesh", "knitted fabric"), ("Sole", ("rubber lug sole", "soft grip sole", "stiff alpine sole")),
                ("Grips wet rock and loose scree alike.", "The ankle is held firmly on uneven ground.")),
        Product("headlamp", ("Headlamp", "Head Torch", "Night Trail Light"), ("Lighting", "Worn"),
                ("aluminium", "polycarbonate"), ("Brightness", ("200 lumens", "350 lumens", "600 lumens")),
                ("Leaves both hands free for ropes and cooking.", "A red mode spares your companions' eyes.")),
        Product("stove", ("Camp Stove", "Gas Burner for Expeditions", "Alpine Cooker"), ("Fire & Heat", "Portable"),
                ("titanium", "stainless steel", "anodised aluminium"), ("Boil time", ("2.5 min", "3.5 min", "5 min")),
                ("Boils a litre while you pitch for the night.", "The flame stays put in gusty weather.")),
    ),
    ("long walks in the hills", "weekends under the stars", "mountain trails", "wild camping far from the road",
     "multi-day treks", "the first frost of autumn", "canoe trips and riverbanks"),
    _facts(
        ("It packs down to {n}0 cm and fits in any pannier.", "How small does it pack?", "It packs down to {n}0 cm.", 2, 5),
        ("The seams are taped against driving rain.", "Will it keep the rain out?", "Yes, the seams are taped against driving rain."),
        ("Tested at {n}00 metres above sea level.", "Has it been used at high altitude?", "It was tested at {n}00 metres.", 12, 45),
        ("A repair kit with {n} patches is included.", "Is there anything to mend it with on tour?", "Yes, a repair kit with {n} patches is included."),
        ("Reflective trim shows up in headlights at night.", "Can drivers see it after dark?", "Yes, it has reflective trim."),
        ("The finish is free of PFAS.", "Does the coating contain PFAS?", "No, the finish is free of PFAS."),
    ),
    (
        Aspect("waterproofing", "Does it stay dry in a downpour?",
               ("It stayed bone dry through a whole night of rain.", "Not a drop came through, even in a thunderstorm.", "Water just rolls off it."),
               ("It leaked in the first shower.", "Everything inside was soaked by morning.", "The seams let water in after an hour of drizzle.")),
        Aspect("weight", "Is it light enough to carry all day?",
               ("I hardly notice it on my back.", "So light that I packed an extra jumper.", "For what it does it weighs next to nothing."),
               ("It is far too heavy to carry all day.", "My shoulders ached after two miles with it.", "It weighs much more than the page says.")),
        Aspect("durability", "Does it hold up after a season of use?",
               ("After two seasons it still looks new.", "It has survived gravel, thorns and my brother-in-law.", "Built to last, not a scratch so far."),
               ("A zip broke on the second outing.", "It fell apart within a month.", "The stitching came undone on its first trip.")),
    ),
    ("gear for a week in the mountains", "spending the night outside in autumn", "equipment for a long trek", "present for someone who loves nature walks"),
)  # fmt: skip

BABY = Theme(
    "baby",
    (
        Product("stroller", ("Stroller", "Folding Pushchair", "Pram"), ("Travel", "On Wheels"),
                ("aluminium and cotton", "steel and polyester", "carbon and linen"), ("From age", ("birth", "6 months", "9 months")),
                ("Folds with one hand while the other holds your little one.", "Glides over cobbles without waking the sleeper.")),
        Product("bottle", ("Feeding Bottle", "Anti-Colic Milk Flask", "Nursing Bottle"), ("Table & Drink", "Small Bottles"),
                ("borosilicate glass", "silicone", "polypropylene"), ("Capacity", ("120 ml", "240 ml", "330 ml")),
                ("The teat is shaped like the real thing, so weaning is calm.", "The valve keeps air out of tiny tummies.")),
        Product("monitor", ("Baby Monitor", "Nursery Camera", "Cot Listening Set"), ("Electronics", "Watching & Listening"),
                ("ABS plastic", "recycled plastic"), ("Range", ("50 m", "150 m", "300 m")),
                ("Hear every sigh from the room next door.", "A lullaby starts by itself when crying is heard.")),
        Product("swaddle", ("Swaddle Blanket", "Newborn Wrap", "Muslin Cloth"), ("Bed & Rest", "Blankets"),
                ("organic cotton", "bamboo muslin", "merino wool"), ("Dimensions", ("75 x 75 cm", "100 x 100 cm", "120 x 120 cm")),
                ("Snug as a hug for the first sleepy weeks.", "Breathes well, so that infants do not overheat.")),
        Product("teether", ("Teether", "Chewing Ring for Infants", "Gum Soother"), ("Toys", "First Toys"),
                ("natural rubber", "beech wood", "food-grade silicone"), ("From age", ("3 months", "4 months", "6 months")),
                ("Soothes sore gums while the first tooth comes through.", "Easy for small hands to hold.")),
        Product("high-chair", ("High Chair", "Toddler Dining Seat", "Weaning Chair"), ("Furniture", "Seats"),
                ("beech wood", "polypropylene", "oak veneer"), ("Maximum load", ("15 kg", "25 kg", "60 kg")),
                ("Brings the youngest of the family to the table.", "The tray comes off for a quick rinse after porridge.")),
    ),
    ("the first year with your child", "new parents", "calm nights in the nursery", "tiny hands and big discoveries",
     "godchildren and grandchildren", "days out with an infant", "expectant families"),
    _facts(
        ("Free of BPA and phthalates.", "Is there any BPA in it?", "No, it is free of BPA and phthalates."),
        ("Machine washable at {n}0 degrees.", "Can I put it in the washing machine?", "Yes, it is machine washable at {n}0 degrees.", 3, 6),
        ("Certified to the EN 1{n}0 safety standard.", "Which safety norm does it meet?", "It is certified to EN 1{n}0.", 20, 88),
        ("It grows with the child and lasts for {n} years.", "How many years can we use it?", "It lasts for {n} years.", 2, 6),
        ("All corners are rounded.", "Are there sharp edges?", "No, all corners are rounded."),
        ("A cotton storage pouch comes with it.", "Does it come with a bag to store it in?", "Yes, a cotton storage pouch comes with it."),
    ),
    (
        Aspect("softness", "Is it gentle on delicate skin?",
               ("Wonderfully soft against her cheeks.", "So gentle that even his eczema does not mind.", "Soft from the first wash on."),
               ("The fabric scratches and left a red mark.", "Hard and rough where it touches the skin.", "It is stiff as a board.")),
        Aspect("safety", "Does it feel safe for a small child?",
               ("I feel completely safe leaving him in sight of it.", "Nothing to swallow, nothing to pinch: well thought out.", "Solid and safe, you can tell that parents designed it."),
               ("A small part came off in her mouth, which is dangerous.", "It tips over far too easily for my liking.", "I would not trust it with my child.")),
        Aspect("cleaning", "Is it easy to clean?",
               ("Wipes clean in seconds.", "Comes out of the wash like new.", "No corners for old milk to hide in."),
               ("Impossible to get clean once milk has dried on it.", "It faded and shrank in the first wash.", "Mould grew in a corner that I cannot reach.")),
    ),
    ("gift for a newborn", "things for expectant parents", "help with a teething toddler", "what do I need for my child's first months"),
)  # fmt: skip

KITCHEN = Theme(
    "kitchen",
    (
        Product("pan", ("Frying Pan", "Skillet", "Sauté Pan"), ("Fire & Heat", "For the Hob"),
                ("cast iron", "stainless steel", "ceramic-coated aluminium"), ("Diameter", ("20 cm", "24 cm", "28 cm", "32 cm")),
                ("Sears steaks evenly right to the rim.", "Eggs slide off without a drop of oil.")),
        Product("knife", ("Chef's Knife", "Santoku", "Chopping Blade"), ("Steelware", "Blades"),
                ("Damascus steel", "carbon steel", "ceramic"), ("Blade length", ("15 cm", "18 cm", "21 cm")),
                ("Slices ripe tomatoes without crushing them.", "Balanced so that herbs are done in a moment.")),
        Product("kettle", ("Electric Kettle", "Gooseneck Water Boiler", "Tea Jug"), ("Electronics", "Hot Water"),
                ("brushed steel", "borosilicate glass", "enamel"), ("Capacity", ("0.8 L", "1.2 L", "1.7 L")),
                ("Keeps green tea at the right degree.", "Pours in a thin, steady stream for coffee.")),
        Product("blender", ("Blender", "Smoothie Maker", "Soup Mixer"), ("Electronics", "Rotating"),
                ("Tritan", "glass", "stainless steel"), ("Power", ("350 W", "600 W", "1200 W")),
                ("Turns frozen berries into silk.", "Soups come out creamy without a sieve.")),
        Product("board", ("Cutting Board", "Butcher's Block", "Chopping Plate"), ("Woodwork", "Flat"),
                ("acacia", "bamboo", "walnut", "rubberwood"), ("Dimensions", ("30 x 20 cm", "40 x 28 cm", "50 x 35 cm")),
                ("Kind to blades and handsome on the table.", "A groove catches the juice of the roast.")),
        Product("scale", ("Kitchen Scale", "Baker's Balance", "Portion Weigher"), ("Measuring", "Weight"),
                ("tempered glass", "steel", "bamboo"), ("Accuracy", ("0.1 g", "1 g", "5 g")),
                ("Sourdough comes out the same every Saturday.", "Weighs flour straight into the bowl.")),
    ),
    ("home cooks", "slow Sunday roasts", "baking bread from scratch", "quick suppers after work", "feeding a table of eight",
     "recipes handed down by grandmother", "anyone who loves good food"),
    _facts(
        ("Safe for the dishwasher.", "Can it go in the dishwasher?", "Yes, it is safe for the dishwasher."),
        ("Stands up to {n}0 degrees in the oven.", "How hot may the oven be?", "It stands up to {n}0 degrees.", 18, 26),
        ("Works on every hob, induction too.", "Does it work with induction?", "Yes, it works on every hob, induction too."),
        ("The cable is {n}0 cm long.", "How long is the cord?", "The cable is {n}0 cm long.", 7, 15),
        ("The handle stays cool for {n}0 minutes.", "Does the handle get hot?", "The handle stays cool for {n}0 minutes.", 2, 6),
        ("A booklet with {n} recipes is in the box.", "Does it come with recipes?", "Yes, a booklet with {n} recipes is in the box.", 12, 60),
    ),
    (
        Aspect("heat", "Does it get hot evenly and quickly?",
               ("It heats up fast and evenly.", "Perfect heat, nothing burns at the edge.", "Ready in half the time of my old one."),
               ("It burns in the middle and stays cold at the edge.", "It takes forever to get warm.", "The bottom warped after a week on the hob.")),
        Aspect("cleaning", "Is it hard to clean?",
               ("Cleaning up takes a minute.", "Nothing sticks to it.", "A quick rinse and it shines again."),
               ("Scrubbing it takes longer than cooking.", "Rust spots appeared after two washes.", "Food sticks to it whatever I do.")),
        Aspect("size", "Is it big enough for a family?",
               ("Just the right size for the four of us.", "Bigger than it looks and still fits in the drawer.", "A handy size for our small flat."),
               ("Much smaller than in the photo.", "Too big for any cupboard we have.", "The size is wrong: it does not fit where it should.")),
    ),
    ("cooking dinner for friends", "wedding gift for people who love food", "baking at the weekend", "preparing vegetables faster"),
)  # fmt: skip

AUDIO = Theme(
    "audio",
    (
        Product("earbuds", ("Wireless Earbuds", "In-Ear Bluetooth Plugs", "Cordless Earpieces"), ("Electronics", "Worn"),
                ("polycarbonate", "silicone", "aluminium"), ("Bluetooth version", ("5.0", "5.2", "5.3")),
                ("Bass that belies their size.", "They sit tight on a run and quiet on a train.")),
        Product("headphones", ("Headphones", "Over-Ear Cans", "Noise-Cancelling Headset"), ("Electronics", "On the Head"),
                ("protein leather", "velour", "memory foam"), ("Driver size", ("32 mm", "40 mm", "50 mm")),
                ("The office disappears at the press of a button.", "Strings and voices have room to breathe.")),
        Product("speaker", ("Bluetooth Speaker", "Portable Boombox", "Party Sound Cylinder"), ("Leisure", "Party"),
                ("rubber and mesh", "bamboo", "aluminium"), ("Output", ("5 W", "20 W", "40 W")),
                ("Fills a garden without shouting.", "Pair two of them for stereo.")),
        Product("turntable", ("Turntable", "Record Player", "Vinyl Deck"), ("Furniture", "On the Sideboard"),
                ("MDF", "walnut veneer", "acrylic"), ("Speeds", ("33 rpm", "33 and 45 rpm", "33, 45 and 78 rpm")),
                ("Brings your parents' LPs back to life.", "The needle is changed without tools.")),
        Product("microphone", ("USB Microphone", "Podcast Mic", "Condenser for Singers"), ("Studio", "Recording"),
                ("die-cast zinc", "steel", "aluminium"), ("Pattern", ("cardioid", "omnidirectional", "bidirectional")),
                ("Your voice comes across warm and close.", "Mute it with a tap in the middle of a call.")),
        Product("soundbar", ("Soundbar", "TV Loudspeaker Bar", "Home Cinema Stick"), ("Living Room", "Below the Screen"),
                ("fabric and plastic", "aluminium", "wood"), ("Channels", ("2.0", "2.1", "5.1")),
                ("Every whisper of the film is clear.", "Explosions are felt in the sofa.")),
    ),
    ("people who live for music", "late-night listening", "podcasts on the way to work", "old records and new playlists",
     "film evenings", "bands, singers and bedroom producers", "hearing every note"),
    _facts(
        ("One charge lasts {n} hours.", "How long does one charge last?", "One charge lasts {n} hours.", 5, 48),
        ("It charges through USB-C.", "Which port does it charge through?", "It charges through USB-C."),
        ("Compatible with iOS, Android and Windows.", "Does it work with an iPhone?", "Yes, it is compatible with iOS, Android and Windows."),
        ("Splash-proof to IPX{n}.", "Can it get wet?", "It is splash-proof to IPX{n}.", 4, 7),
        ("A 3.5 mm cable is supplied.", "Can I plug it in with a cable?", "Yes, a 3.5 mm cable is supplied."),
        ("It remembers {n} paired devices.", "How many phones can it pair with?", "It remembers {n} paired devices.", 2, 8),
    ),
    (
        Aspect("battery", "How good is the battery in real life?",
               ("The battery lasts for days.", "I charge it once a week at most.", "Battery life is even better than promised."),
               ("The battery is dead after two hours.", "It no longer holds a charge.", "Battery life is a joke.")),
        Aspect("sound", "How does it sound?",
               ("The sound is rich and clear.", "I hear details that I never noticed before.", "Deep bass and crisp highs, lovely."),
               ("It sounds tinny and flat.", "There is a constant hiss on the left.", "The bass is muddy and voices drown in it.")),
        Aspect("connection", "Is the connection stable?",
               ("Pairs at once and never drops out.", "The connection holds through two walls.", "Set-up took ten seconds."),
               ("The connection drops every few minutes.", "It refuses to pair with my phone.", "It lags behind the picture.")),
    ),
    ("listening to music on the train", "present for a singer", "better sound for film night", "something for my podcast"),
)  # fmt: skip

SKINCARE = Theme(
    "skincare",
    (
        Product("moisturiser", ("Moisturiser", "Day Cream", "Hydrating Face Lotion"), ("Bath & Body", "Jars"),
                ("shea butter", "squalane", "aloe vera"), ("Volume", ("30 ml", "50 ml", "100 ml")),
                ("Dry cheeks feel supple until evening.", "Sinks in before you have found your keys.")),
        Product("serum", ("Vitamin C Serum", "Brightening Ampoule", "Hyaluronic Drops"), ("Bath & Body", "Droppers"),
                ("ascorbic acid", "hyaluronic acid", "niacinamide"), ("Concentration", ("5 %", "10 %", "20 %")),
                ("Dull complexions glow after a fortnight.", "Two drops are enough for face and neck.")),
        Product("sunscreen", ("Sunscreen", "SPF Fluid", "UV Shield"), ("Summer", "Protection"),
                ("zinc oxide", "titanium dioxide", "organic filters"), ("SPF", ("30", "50", "50+")),
                ("Leaves no white film.", "Guards against burns on bright days.")),
        Product("mask", ("Clay Mask", "Peel-Off Facial", "Sheet Treatment"), ("Wellness", "Quarter of an Hour"),
                ("kaolin", "bentonite", "seaweed"), ("Applications", ("5 uses", "10 uses", "20 uses")),
                ("Draws the day out of your pores.", "A small spa on a Sunday night.")),
        Product("cleanser", ("Cleanser", "Foaming Face Wash", "Micellar Make-Up Remover"), ("Bath & Body", "Pumps"),
                ("coconut surfactants", "oat extract", "green tea"), ("Volume", ("100 ml", "200 ml", "400 ml")),
                ("Takes mascara off without tears.", "Clean, never tight.")),
        Product("lip-balm", ("Lip Balm", "Chapstick", "Kiss Butter"), ("Small Things", "Sticks"),
                ("beeswax", "candelilla wax", "cocoa butter"), ("Net weight", ("4 g", "10 g", "15 g")),
                ("Cracked winter lips heal overnight.", "No taste, no shine, just comfort.")),
    ),
    ("sensitive complexions", "a calm evening ritual", "skin that drinks it up", "a fresh, rested look",
     "winter dryness", "beauty without fuss", "your morning glow"),
    _facts(
        ("Never tested on animals.", "Is it cruelty free?", "Yes, it is never tested on animals."),
        ("Contains no perfume.", "Is there perfume in it?", "No, it contains no perfume."),
        ("Use within {n} months of opening.", "How long does it keep once opened?", "Use it within {n} months of opening.", 6, 24),
        ("Its pH is {n}.5.", "What is the pH?", "Its pH is {n}.5.", 4, 6),
        ("Suitable for vegans.", "Is it vegan?", "Yes, it is suitable for vegans."),
        ("Dermatologically tested on {n}0 volunteers.", "Has it been tested by dermatologists?", "Yes, on {n}0 volunteers.", 3, 20),
    ),
    (
        Aspect("smell", "What does it smell like?",
               ("It smells heavenly.", "A faint, fresh scent that goes after a minute.", "The fragrance reminds me of summer holidays."),
               ("It stinks of cheap perfume.", "The smell gave me a headache.", "It smells like old crayons.")),
        Aspect("effect", "Does one see a difference?",
               ("My redness was gone within a week.", "People ask me what I have changed.", "I can see and feel the difference."),
               ("I see no effect at all after a month.", "It gave me spots.", "My face burned and peeled after one use.")),
        Aspect("texture", "Is it greasy?",
               ("Light as a feather and not greasy.", "The texture is silky.", "It is absorbed in no time."),
               ("It leaves a greasy film.", "Sticky, and it rolls off in crumbs.", "Thick as glue.")),
    ),
    ("help for dry cheeks in winter", "look rested after a short night", "get rid of spots", "protect my face from the sun"),
)  # fmt: skip

PETS = Theme(
    "pets",
    (
        Product("leash", ("Dog Leash", "Retractable Lead", "Puppy Walking Line"), ("Leisure", "Cords"),
                ("nylon webbing", "leather", "climbing rope"), ("Length", ("1.2 m", "2 m", "5 m")),
                ("Walks end with both arms the same length.", "The swivel never tangles when paws go in circles.")),
        Product("litter", ("Cat Litter", "Clumping Granules", "Tofu Sand"), ("Household", "Sacks"),
                ("bentonite", "tofu fibre", "wood pellets"), ("Net weight", ("5 kg", "10 kg", "15 kg")),
                ("Clumps so hard that the tray stays clean.", "Kittens take to it at once.")),
        Product("tree", ("Cat Tree", "Scratching Tower", "Feline Climbing Post"), ("Furniture", "Towers"),
                ("sisal and plush", "cardboard", "solid wood"), ("Height", ("80 cm", "120 cm", "180 cm")),
                ("Saves the sofa from claws.", "A lookout for the queen of the house.")),
        Product("kibble", ("Dry Dog Food", "Grain-Free Kibble", "Crunchy Bites for Terriers"), ("Household", "Sacks"),
                ("salmon", "chicken", "lamb and rice"), ("Net weight", ("1.5 kg", "3 kg", "12 kg")),
                ("Bowls are licked clean by fussy eaters.", "Coats shine after one sack.")),
        Product("aquarium", ("Aquarium", "Fish Tank", "Nano Reef Cube"), ("Glassware", "Large"),
                ("float glass", "low-iron glass", "acrylic"), ("Volume", ("20 L", "54 L", "120 L")),
                ("Guppies and shrimps feel at home in it.", "The filter hums so softly that you forget it.")),
        Product("toy", ("Squeaky Toy", "Catnip Mouse", "Treat Ball"), ("Toys", "For Paws"),
                ("natural rubber", "cotton rope", "plush"), ("For", ("puppies", "small breeds", "large breeds")),
                ("Keeps a bored hound busy for hours.", "Survives a determined jaw.")),
    ),
    ("four-legged friends", "the furry half of the family", "wagging tails", "purring on the windowsill",
     "animals that are spoiled, and should be", "muddy paws and cold noses", "keepers of every species"),
    _facts(
        ("Suitable from {n} weeks of age.", "From what age can it be used?", "It is suitable from {n} weeks of age.", 6, 16),
        ("Approved by {n} veterinarians.", "Do vets recommend it?", "Yes, it is approved by {n} veterinarians.", 3, 40),
        ("Non-toxic, even when chewed.", "Is it harmful when chewed?", "No, it is non-toxic, even when chewed."),
        ("Made in a family workshop in Portugal.", "Where is it made?", "It is made in a family workshop in Portugal."),
        ("The packaging can be composted.", "What do I do with the packaging?", "The packaging can be composted."),
        ("Bears up to {n} kg.", "How heavy may the animal be?", "It bears up to {n} kg.", 8, 70),
    ),
    (
        Aspect("liking", "Do animals like it?",
               ("Our cat adores it.", "My spaniel goes mad with joy when she sees it.", "Loved at first sniff."),
               ("Our cat will not go near it.", "My dog turned up his nose and walked away.", "Ignored since day one.")),
        Aspect("durability", "Does it survive a strong dog?",
               ("Six months of teeth and claws, and it still holds.", "Even our Labrador could not destroy it.", "Tough as nails."),
               ("In pieces after ten minutes.", "It broke on the first walk.", "It came apart at once.")),
        Aspect("smell", "Does it smell?",
               ("No smell at all, even after a week.", "It smells of nothing, which is just what we wanted.", "Keeps odours away."),
               ("The whole flat smells of it.", "A chemical stench that will not go away.", "It reeks.")),
    ),
    ("keep my kitten busy", "something for a spoiled terrier", "stop claws from ruining the sofa", "what does a puppy need"),
)  # fmt: skip

ENGLISH = Language(
    code="en",
    themes=(OUTDOOR, BABY, KITCHEN, AUDIO, SKINCARE, PETS),
    brands=("Fernholt", "Ostrava & Daughters", "Pellucid", "Marlowe Bay", "Quillon", "Tarn & Tor", "Bramwick", "Ilumi", "Northgate",
            "Sorrel", "Vantaro", "Hollis", "Kestrel Row", "Dovecote", "Ambervale", "Zephyrine"),
    adjectives=("Compact", "Classic", "Premium", "Everyday", "Lightweight", "Professional", "Travel", "Deluxe", "Simple", "Original",
                "Handmade", "Slim", "Sturdy", "Eco"),
    colours=("black", "navy", "forest green", "sand", "coral", "slate grey", "white", "mustard", "burgundy", "sky blue"),
    titles=("{brand} {adjective} {name}, {special}", "{brand} {model} {name} ({colour})", "{adjective} {name} by {brand} - {material}",
            "{brand} {name} {model}, {material}, {colour}", "{name}, {special}, {colour}, {brand}", "{brand} {name}: {adjective}, {material}"),
    intros=("The {brand} {model} is made for {mood}.", "Made for {mood}.", "{adjective} and honest: a companion for {mood}.",
            "We designed the {model} with {mood} in mind.", "Think of {mood}, and you know what this is for.", "For {mood}, and for every day."),
    closings=("{brand} gives a {n}-year guarantee.", "Ships within {n} working days.", "Comes in {colour}.", "Designed by {brand} in small batches.",
              "Also a fine gift.", "Now in edition {n}."),
    attribute_names={"material": "Material", "colour": "Colour", "weight": "Item weight", "model": "Model number", "warranty": "Warranty"},
    attribute_questions=("What is the {attribute} of this {name}?", "Could you tell me the {attribute}?", "{attribute}?",
                         "I can't find the {attribute}, what is it?"),
    attribute_answers=("The {attribute} is {value}.", "{value}.", "It is {value}.", "According to the data sheet: {value}."),
    aspects=(
        Aspect("delivery", "Does it arrive quickly?",
               ("Delivery was quick.", "It arrived two days early.", "The parcel was at my door the next morning.", "Shipped fast and well tracked."),
               ("Delivery took three weeks.", "The parcel arrived late and crushed.", "It went to the wrong address twice.", "Still waiting for half of the order.")),
        Aspect("price", "Is it worth the money?",
               ("Great value for the money.", "Worth every penny.", "You will not find it cheaper for this quality.", "The price is more than fair."),
               ("Overpriced.", "Not worth half of what I paid.", "A rip-off, plain and simple.", "The week after it was ten dollars cheaper.")),
        Aspect("quality", "Is it well made?",
               ("The workmanship is excellent.", "Feels solid in the hand.", "Very well made.", "You can tell that quality mattered here."),
               ("Cheaply made.", "It feels flimsy.", "Poor workmanship all over.", "It arrived with a crack.")),
        Aspect("packaging", "How is it packed?",
               ("Beautifully packed, ready to give.", "The packaging was plain and plastic free, bravo.", "Well protected in its box."),
               ("The box was torn and taped up again.", "So much plastic wrapping that I was ashamed.", "Badly packed, one corner was bent.")),
        Aspect("service", "Is customer service helpful?",
               ("Customer service answered within the hour.", "A friendly note was in the box.", "They replaced a part at no charge."),
               ("Customer service never replied.", "They refused to take it back.", "I was passed from one person to the next.")),
    ),
    verdicts={
        1: ("Do not buy this.", "What a disappointment.", "I want my money back.", "Terrible {name}.", "Straight into the bin.", "Never again."),
        2: ("I expected more.", "Not what I hoped for.", "I would not order it again.", "Rather disappointing.", "It has more bad sides than good."),
        3: ("It is okay.", "It does its job, no more.", "Neither good nor bad.", "Average.", "I am in two minds about this {name}.", "It will do for now."),
        4: ("I am happy with it.", "A good {name}, with small flaws.", "Nearly perfect.", "Good buy.", "I would order it again."),
        5: ("I love it!", "Perfect {name}.", "Best purchase this year!!!", "Highly recommended.", "Could not be happier.", "Exactly what I wanted."),
    },
    headlines={
        1: ("Awful", "Avoid", "Waste of money", "One star is too many", "Broken promise"),
        2: ("Disappointed", "Not great", "Hmm, no", "Could be better", "Expected more"),
        3: ("It's okay", "Mixed feelings", "So-so", "Average", "Fine, I suppose"),
        4: ("Good", "Very nice", "Solid", "Happy with it", "Almost perfect"),
        5: ("Excellent!", "Love it", "Five stars", "Wonderful", "Perfect"),
    },
    neutral=("Bought it for my sister's birthday.", "I have had it for {n} weeks now.", "This is my second one.", "My husband picked the {colour} one.",
             "I compared {n} of them before I ordered.", "We are a household of {n}.", "I use it mostly at weekends.", "Ordered on a Tuesday."),
    contact=("Questions? Write to me at {user}@example.com.", "Call me on +1 (555) 01{n}-4477 if you want mine.",
             "Photos at https://photos.example.com/{user}/{n}.", "See www.example.org/{user} for a longer test."),
    unanswerable=("Who designed the logo?", "Is the shop in Dublin open on Sundays?", "Can I pay in three instalments with a voucher from 2019?",
                  "Will there be a version for left-handed people next year?", "What did the previous edition cost in Canada?",
                  "Does the founder of the company still work there?", "Is it allowed in hand luggage on flights to Japan?",
                  "How many of these did you sell last month?"),
    search=("{material} {name}", "{colour} {name}", "{name}", "{name} {special}", "best {name} for {mood}"),
    join=" ",
)  # fmt: skip
