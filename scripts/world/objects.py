"""The things of the drawn world: name, the group it belongs to, and its emoji."""

OBJECTS = [
    (name, group, emoji)
    for group, line in {
        "animal": "dog🐶 cat🐱 mouse🐭 rabbit🐰 bear🐻 panda🐼 koala🐨 tiger🐯 lion🦁 cow🐮 pig🐷 frog🐸 monkey🐵 "
                  "chicken🐔 penguin🐧 bird🐦 horse🐴 bee🐝 snail🐌 ladybug🐞 turtle🐢 octopus🐙 fish🐟 whale🐳 "
                  "dolphin🐬 elephant🐘 snake🐍 crab🦀 fox🦊 owl🦉 butterfly🦋 duck🦆",
        "food": "red_apple🍎 green_apple🍏 pear🍐 tangerine🍊 lemon🍋 banana🍌 watermelon🍉 grapes🍇 strawberry🍓 "
                "cherries🍒 peach🍑 pineapple🍍 tomato🍅 carrot🥕 bread🍞 cheese🧀 hamburger🍔 pizza🍕 donut🍩 "
                "cookie🍪 ice_cream🍦",
        "vehicle": "car🚗 taxi🚕 bus🚌 tractor🚜 bicycle🚲 train🚆 airplane✈ rocket🚀 sailboat⛵ ship🚢 "
                   "helicopter🚁 ambulance🚑",
        "thing": "soccer_ball⚽ basketball🏀 guitar🎸 trumpet🎺 umbrella☂ key🔑 alarm_clock⏰ light_bulb💡 camera📷 "
                 "book📕 scissors✂ gift🎁 balloon🎈 top_hat🎩 crown👑 shoe👟 house🏠",
        "plant": "tree🌳 cactus🌵 sunflower🌻 rose🌹 mushroom🍄",
        "sky": "sun🌞 moon🌛 star⭐ snowman⛄",
    }.items()
    for name, emoji in ((word[:-1].replace("_", " "), word[-1]) for word in line.split())
]

BACKGROUNDS = {
    "white": (245, 245, 245), "black": (28, 28, 36), "gray": (140, 140, 140), "red": (215, 75, 75),
    "green": (95, 180, 105), "blue": (100, 145, 240), "yellow": (240, 225, 105), "orange": (250, 160, 85),
    "pink": (250, 190, 215), "purple": (150, 100, 190),
}
