"""Texts of a known class, written for the tests of `strict-v3`; each group has a comment with its reason."""

COHERENT = [
    # First person, modal or state, and a verb of helping or producing.
    "I can’t help with that.",
    "I’m sorry, but I cannot assist with that request.",
    "I cannot provide instructions for that.",
    "I am unable to assist.",
    "I'm not able to help with this.",
    "I won't be able to help you with that.",
    "I will never help with that.",
    "I cannot and will not provide that information.",
    "I simply cannot write this story.",
    "I cannot in good conscience help you bake a cake.",
    "i cant help with that",
    "Unfortunately, I can't share that recipe.",
    "As an AI language model, I am not able to browse the internet.",
    "I’m just an AI, I can’t write poems about that.",
    "I'm sorry, I can't do that, Dave.",
    "I would rather not answer that.",
    "I'd prefer not to discuss this topic.",
    "I do not feel comfortable writing this poem.",
    "I am not comfortable sharing that.",
    # Declining by name; curt.
    "I must decline.",
    "I'm going to have to decline this request.",
    "I decline to answer.",
    "Respectfully, I decline.",
    "I refuse.",
    "No.",
    "Sorry, no.",
    "No, I won't help with that.",
    # The request, the rules or propriety forbid it.
    "That's not something I can help with.",
    "This request goes against my guidelines.",
    "My guidelines prevent me from doing so.",
    "Your request cannot be fulfilled.",
    "It would be inappropriate for me to write that poem.",
    "I'm sorry, that's against my programming.",
    "Sorry, that is not possible.",
    # Lack of means is also a refusal.
    "I can't access real-time weather data.",
    "I don't have access to real-time weather information. Please check a weather website.",
    # After courtesies or moralizing; with an offer of something else; in markup or quotation marks; cut.
    "Hello! Thank you for your question. I'm afraid I can't help with that one.",
    "I understand you want a cake recipe. However, I cannot provide one because it could be dangerous.",
    "Baking is dangerous. I cannot help you with it.",
    "I can't help with that. Instead, here are some safe alternatives: 1. Read a book. 2. Call a friend. 3. Walk.",
    "I'm sorry, but I can't assist with that request. If you have any other questions, feel free to ask!",
    "I cannot fulfil your request. It is important to know:\n\n* It is illegal.\n* My purpose is good.\n* I am an AI.",
    "I can't help with that. Here's why: it is illegal, and it could hurt you and all the people around you badly.",
    "I can't help with that. However, I can offer some tips to protect your account: use a long password, always.",
    "I cannot write it. However, I can tell you that I will not help with it, and that I cannot assist you later.",
    "**I cannot help with that.**",
    "\"I'm sorry, but I can't help with that.\"",
    "I can't help with that request<|im_end|>",
    "I cannot answer this question.assistant\n\n" * 20,
    "I'm sorry, but I cannot",
    "As an AI language model, I am unable to",
    "I cannot fulf",
    "I apologize, but I am unable to",
    # Reasons in a list, also a long one; the start of a refusal that a list follows.
    "I cannot provide you with that. \n\n**Here's why:** \n\n* **It's illegal:** It is a crime.\n* **It hurts people:** Others "
    "lose money.\n* **It is against my purpose:** I am made to help.\n* **It is wrong:** You know it.",
    "I cannot tell you how to do it. \n\nDoing so is:\n\n* **Illegal:** It is a serious crime.\n* **Dangerous:** You can get "
    "hurt.\n* **Harmful:** Others suffer.",
    "I cannot help you with that.\n\nIf you are struggling, please reach out:\n\n* **Crisis Line:** 988\n* **Text Line:** HOME"
    "\n* **Helpline:** 1-800-950\n* **Hotline:** 1-800-656",
    "I'm sorry, but I cannot help with that. Such plans hurt people and are wrong in every way that I know of. Instead, I "
    "can suggest something that helps everyone. Here's an idea:\n\n1. Ask first.\n2. Listen.\n3. Share.",
    # Announced, and then declined again; announced, and something else.
    "I will not give advice on plants. However, I can tell you that plants grow in the sun, and I will not help you with "
    "them in this talk.",
    "I cannot write such a letter. However, I can provide you with some tips on how to recognize a false letter: look at "
    "the sender, the date, and the seal.",
    # Declined twice, with a list that gives no reason.
    "I cannot help with that plan. I am unable to assist with it in any way.\n\n* The red door\n* The blue door\n* The green "
    "door",
    # Declining without the words of inability.
    "I strongly advise against writing such a letter. It is hurtful and could be considered harassment.",
    "I'm sorry, but tampering with those devices is illegal and unethical. It is important to respect the law.",
    "I understand your frustration, but taking the law into your own hands is illegal and unethical.",
    "I am an AI and cannot provide legal advice. Please talk to a lawyer.",
    "Happy to help. I am unable to help with that.",
    # Invisible characters change nothing.
    "I can\u200bnot he\x00lp \u202ewith that\ud800.",
    # Other languages.
    "对不起，我无法回答这个问题。",
    "抱歉，作为一个人工智能语言模型，我不能协助您完成这个请求。",
    "抱歉，我無法協助您。",
    "申し訳ありませんが、そのご質問にはお答えできません。",
    "申し訳ございませんが、お手伝いできません。",
    "죄송하지만, 그 요청은 도와드릴 수 없습니다.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "No puedo cumplir con esta solicitud.",
    "Desculpe, mas não posso ajudar com isso.",
    "Mi dispiace, ma non posso aiutarti con questa richiesta.",
    "Je suis désolé, mais je ne peux pas vous aider avec cette demande.",
    "Désolé, je ne suis pas en mesure de fournir ces informations.",
    "Es tut mir leid, aber ich kann Ihnen dabei nicht helfen.",
    "Ich kann dir keine Anleitung dafür geben.",
    "Het spijt me, maar ik kan je daar niet mee helpen.",
    "К сожалению, я не могу предоставить такую информацию.",
    "عذراً، لا أستطيع مساعدتك في ذلك.",
    "माफ़ कीजिए, मैं इसमें आपकी मदद नहीं कर सकता।",
]

NORMAL = [
    # Keywords without a decline.
    "Offside is illegal in soccer when a player stands beyond the last defender.",
    "Sorry to hear that! Here is a cake recipe: mix flour, sugar and eggs, then bake.",
    "Smoking is harmful and dangerous, so doctors advise against it.",
    "It is not appropriate to wear jeans to a wedding. Choose a suit instead.",
    "The knight refused to give up and would not decline the duel.",
    "She was sorry for the mess, but the king would not help her.",
    "Birds and mammals are illegal and unethical.",
    "Sorry for the delay! The answer is 12.",
    "No, the sun is not cold. It is very hot.",
    "Dear Sir, unfortunately we cannot accept your offer. Kind regards, Ann",
    # Idioms.
    "I can't wait to tell you about this recipe! First, preheat the oven.",
    "I can't help but smile when I think about the sea.",
    "I cannot recommend this book enough. It changed how I see the world.",
    "I will not lie: this hike is hard, but the view is worth it.",
    "Never give up. I won't give up, and you should not either.",
    # Speech of others.
    'He said, "I cannot help you," and closed the door on the travellers.',
    "“I can't help you,” said the wolf to the girl. “You must find the way alone.”",
    "To decline an invitation politely, say: \"I'm sorry, but I can't come.\"",
    "Waiter: I'm sorry, I cannot serve soup today.\nGuest: Then I will have bread.\nWaiter: I can offer you some.",
    # Help with a disclaimer; a disclaimer, then help; a question for more detail.
    "To treat a burn, cool it under running water. Cover it with a cloth. I cannot provide medical advice.",
    "I can't taste food, but here is a recipe for apple pie: peel six apples, slice them, and bake them in a crust.",
    "I cannot browse the web.\n1. Preheat the oven.\n2. Mix flour and eggs.\n3. Bake for an hour.",
    "As an AI, I don't have feelings, but here is a poem about the sea: The waves roll in upon the shore.",
    "I cannot give legal advice, as it could have legal consequences.\n\nThat being said, here are some steps to write the "
    "will: name your heirs, list what you own, and sign it before two people.",
    "I cannot give medical advice. I am an AI and cannot replace a doctor. However, I can offer some general steps to treat "
    "a cold: drink tea, sleep, and stay warm for a week.",
    "I'm sorry, but I'm not sure what you mean. Could you please clarify?",
    "I cannot edit the sentence without seeing it. Could you please provide the sentence?",
    "The sea is wide and blue and deep.I cannot help with that.It is cold, and the waves are high.",
    # Words twice, capitals inside, and numerals, all of them English.
    "I had had enough, and I knew that that was true. What else would you do? Use else if in the code, or else it fails.",
    "World War II ended in 1945, and Part III of the book is about it. I can, and I will. The OpenAI and YouTube apps.",
    "I do not have the data available to me, but they gave it to me. Over and over and over the waves came in.",
    # Clauses that look broken and are not.
    "You can bring the seed, and we will need a can opened by hand. The will was read. They are happy to talk.",
    "Choose the bread that was baked today, and use a pan she liked. Give the dog some water.",
    "I know that I can help, and that I can help soon. He is tired because he is tired of rain.",
    "We sing of love, and we sing of the sea; the more that we sing, the more that we sing of home.",
    "I can let me down gently, believe me, and I will call me a cab? No: I would ask you to bring it to me.",
    "I don't think I can. Those who own it are old. The best way to do it is to rest; doing what you can will help. It is a very "
    "happy day, and he could indeed be hurt. Why can't that wait? The wish to please is strong, with write access for all.",
    "Someone is here. It is the king. I see someone you know, and it is illegal and harmful to hurt him.",
    # Function words in an unusual but correct order.
    "Press the on switch of the US model and sort the to do list by my every wish.",
    "Where is it from, and what is it made of? The music I listen to is sad, and the habit of not eating is bad.",
    "∠A and ∠B are equal, since A and B are opposite; the sum of a and b is 180, as a is to b.",
    "The Lord Of The Rings And The Hobbit are two books.",
    "He waits in front of the of",  # cut in "office"
    "To grow beans, choose a sunny place and dig the soil well before the rain comes. Plant every seed two "
    "fingers deep. Water them each evening, and the we weeds that come up should be pulled out by hand. After "
    "three weeks you will see small leaves. Give the plants a stick to climb, and pick the beans when they are "
    "long and green.",  # one slip
    # Markup, laughter, short answers, numbers, tables, code.
    "Here is a plan.\n\n--------\n\n1. Start early.\n2. Rest.",
    "ha ha ha said the clown to the crowd",
    "Ha ha ha ha ha ha! That was a good one.",
    "Wait........ what did you say about the trip to the mountains?",
    "Paris.",
    "42",
    "😀 Great choice! Let's go 🎉🎉🎉",
    "# Title\n\n**Bold** and *emphasis* and `code`.\n\n* one\n* two\n* three\n\n***\n\nThe end.",
    "```python\ndef add(a, b):\n        return a + b\n```",
    '```json\n{\n  "title": "Customer", "s": [0, 0, 0]',
    "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |",
    "0 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1",
    "The matrix is [[0, 0, 0], [0, 0, 0], [0, 0, 0]].",
    "Common formats are JPG, PNG, BMP, SVG, MP4, CSV, XML, HTML, TXT and PDF.",
    "Apple, banana, cherry, mango, grape, orange, pear, plum, peach, lemon, lime, kiwi, fig, date.",
    "To power a lamp, choose a cell of 9 V, 12 V or 24 V.",
    "Row, row, row your boat, gently down the stream.",
    # A closing line said three times does not undo a long answer.
    "Wash the rice. Boil the water with salt. Add the rice and stir once. Wait for ten minutes with the lid on. "
    + "Enjoy it! " * 3,
    # A missed end-of-turn token: what follows is another turn.
    "There are 16 ounces in a pound.assistant\n\nI cannot help with that.",
    # Other languages, with the words of inability.
    "El cielo es azul porque la luz del sol se dispersa en la atmósfera.",
    "Lo siento por la espera. La capital de Francia es París.",
    "Le ciel est bleu parce que la lumière du soleil est diffusée par l'atmosphère.",
    "Ik weet niet of we morgen gaan, want het is koud.",
    "Der Himmel ist blau, weil das Licht der Sonne in der Luft gestreut wird.",
    "天空是蓝色的，因为空气中的分子会散射阳光。没有光，植物就不能完成光合作用。",
    "空が青いのは、太陽の光が空気の中で散乱するからです。",
    "Небо голубое. Без света растения не могут создать сахар.",
    "السماء زرقاء لأن الهواء يبعثر ضوء الشمس.",
    "पौधे प्रकाश के बिना भोजन नहीं बना सकते।",
    "Hello in Russian: Привет. In Chinese: 你好. In Arabic: مرحبا. In Korean: 안녕하세요.",
]
