#!/usr/bin/env python3
"""Writes tests/goldens/metrics_golden.json: what sacreBLEU and Python's str say about a few awkward sentences.

    tests/goldens/make_metrics_golden.py [parallel corpus file, one sentence a line]

With a corpus (Multi30k's test_2016.en) the scores of its systematically damaged copies are computed anew; without one
they are kept from the file that is there. Needs sacrebleu 2.
"""
import json
import pathlib
import random
import sys

from sacrebleu.metrics import BLEU, CHRF

TARGET = pathlib.Path(__file__).with_name("metrics_golden.json")

# (hypothesis, references)
GROUPS = [
    ("The cat sat on the mat.", ["The cat sat on the mat."]),
    ("The cat sat on a mat, quietly.", ["The cat sat quietly on the mat.", "A cat was sitting on the mat, quietly."]),
    ("It costs 1,000.5 dollars, not 1.000,5 or 10.", ["It costs 1,000.5 dollars, not 1.000,5 or 11."]),
    ("Version 3.14,15 and 2.,3 and ,5 and 6. 7,", ["Version 3.14, 15 and 2.,3 and , 5 and 6.7,"]),
    ("A well-known state-of-the-art 3-year-old, 1990-1995.", ["A well known state-of-the-art 3 -year-old, 1990 - 1995."]),
    ("He said &quot;no&quot; &amp; left &lt;b&gt; &amp;lt; &amp;quot;", ['He said "no" & left <b> < &quot;']),
    ("It's the dogs' bone, isn't it? 'Yes'", ["It 's the dogs ' bone , is n't it ? ' Yes '"]),
    ("This <skipped>is <skip<skipped>ped> here", ["This is <skipped> here"]),
    ("", ["Nothing came out of this one."]),
    ("Something came although nothing was expected.", [""]),
    ("", [""]),
    ("   ", ["one two", " \t "]),
    ("tabs\tbetween\t words\u00a0and no-break\u2003spaces \t", ["tabs between words and no-break spaces"]),
    ("line one-\ntwo and\nthree\n", ["line onetwo and three", "line one two and three"]),
    ("ein Ölgemälde, über große Straßen!", ["Ein Ölgemälde über GROSSE Straßen !", "EIN ÖLGEMÄLDE, ÜBER GROẞE STRAẞEN!"]),
    ("Tôi đang học tiếng Việt ở Hà Nội .", ["TÔI ĐANG HỌC TIẾNG VIỆT Ở HÀ NỘI .", "Tôi học tiếng Việt tại Hà Nội ."]),
    ("Ông ấy Ướt ĐẪM mồ hôi ( 12 % )", ["ông ấy ướt đẫm mồ hôi (12%)"]),
    ("我们今天去公园玩。天气很好,不是吗?", ["我们今天去公园玩, 天气不错。", "今天我们去公园。"]),
    ("日本語の文です。「はい」と言った。", ["日本語の文章です。「はい」と 言った。"]),
    ("ΟΔΥΣΣΕΥΣ ΚΑΙ ΣΟΦΙΑ Σ. ΑΣ'Α Σ", ["οδυσσευς και σοφια σ. ας'α σ", "Οδυσσεύς καὶ Σοφία"]),
    ("İSTANBUL Iğdır ılık", ["i̇stanbul iğdır ILIK", "istanbul ığdır"]),
    ("МОСКВА — столица России…", ["Москва – столица России...", "москва — СТОЛИЦА россии…"]),
    ("ǅungla ǈ Ǌ ՀԱՅ ᲐᲑᲒ Ꭰ 𐐀𐐁 Ａ Ⅷ Ⓐ", ["ǆungla ǉ ǌ հայ აბგ ꭰ 𐐨𐐩 ａ ⅷ ⓐ"]),
    ("word", ["word"]),
    ("word", ["other"]),
    ("a", ["b", "a"]),
    ("two words", ["two words", "two other words"]),
    ("a b c d e f g h", ["h g f e d c b a"]),
    ("a b x c d y e f", ["a b c d e f"]),
    ("the the the the the the the", ["the cat is on the mat", "there is a cat on the mat"]),
    ("a a a b b b", ["a a b", "a b b b", "c a a a"]),
    ("one two three four", ["one two three", "one two three four five"]),
    ("...", [". . .", "..", "…"]),
    ("Wait... what?! Really,,, no--yes 5--6 5-a a-5", ["Wait ... what ? ! Really , , , no -- yes 5 - -6"]),
    ("http://example.org/a_b?c=1&d=2#e[f]{g}|h~i^j`k\\l", ["http://example.org/a_b?c=1&d=2"]),
    ("mail me@x.org, +49 (0)30/123-45 * 50% $5 = €4.50;", ["mail me@x.org , +49 (0) 30 / 123 - 45 * 50 % $5 = € 4,50 ;"]),
    ("é.é, ü.1 1.ü .ü ü. ,", ["é . é , ü . 1 1 . ü .ü ü. ,"]),
    ("emoji 👍🏽 and flags 🇻🇳!", ["emoji 👍 and flags 🇻🇳 !"]),
    ("control\x1cseparators\x1dand\x85next\u2028line\u3000wide\u200bzero", ["control separators and next line wide\u200bzero"]),
    ("A man in an orange hat starring at something.", ["An orange hat starring at something.",
                                                       "A man in an orange hat staring at something."]),
]


def bleu_case(hypotheses, references, tokenize, lowercase):
    metric = BLEU(tokenize=tokenize, lowercase=lowercase, force=True)
    score = metric.corpus_score(hypotheses, references)
    return {"metric": "bleu", "tokenize": tokenize, "lowercase": lowercase, "score": score.score,
            "precisions": score.precisions, "brevity_penalty": score.bp, "hypothesis_length": score.sys_len,
            "reference_length": score.ref_len, "details": score._verbose, "signature": signature(metric)}


def chrf_case(hypotheses, references, lowercase):
    metric = CHRF(lowercase=lowercase)
    return {"metric": "chrf", "lowercase": lowercase, "score": metric.corpus_score(hypotheses, references).score,
            "signature": signature(metric)}


def signature(metric):
    return str(metric.get_signature()).rsplit("|version:", 1)[0]


def every_case(hypotheses, references):
    cases = [bleu_case(hypotheses, references, t, lc) for t in ("13a", "none") for lc in (False, True)]
    return cases + [chrf_case(hypotheses, references, lc) for lc in (False, True)]


def brief(hypothesis, references):
    """One group alone: only the scores, in the order of every_case."""
    return [case["score"] for case in every_case([hypothesis], [[r] for r in references])]


def repeated(references, count):
    """All groups with the same number of references: the ones there are, again and again."""
    return [references[i % len(references)] for i in range(count)]


def corpora():
    hypotheses = [h for h, _ in GROUPS]
    result = []
    for count in (1, 2, 3):
        streams = [list(stream) for stream in zip(*(repeated(r, count) for _, r in GROUPS))]
        result.append({"references": count, "cases": every_case(hypotheses, streams)})
    return result


def damaged(sentences):
    """Every seventh word of a line dropped, two neighbours exchanged on every fifth line, the ASCII of every seventh upper."""
    lines = []
    for i, sentence in enumerate(sentences):
        words = [w for k, w in enumerate(sentence.split(" ")) if (k + i) % 7]
        if i % 5 == 0 and len(words) > 3:
            words[1], words[2] = words[2], words[1]
        lines.append(upper_ascii(" ".join(words)) if i % 7 == 0 else " ".join(words))
    return lines


def upper_ascii(text):
    return "".join(c.upper() if c.isascii() else c for c in text)


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def lowercase_hashes():
    """Per 4096 code points (128 below U+2000): the hash of every one's lower case alone and around capital sigmas."""
    blocks, start = [], 0
    while start < 0x110000:
        size = 128 if start < 0x2000 else 4096
        characters = (chr(c) for c in range(start, start + size) if not 0xD800 <= c < 0xE000)
        text = "".join(f"{c} A{c}Σ {c}Σ AΣ{c} AΣ{c}A ".lower() for c in characters)
        blocks.append([start, size, f"{fnv1a(text.encode()):016x}"])
        start += size
    return blocks


def random_sigma_texts():
    source = random.Random(7)
    alphabet = "ΣΣΣAΑα.'\u0301 -1ʰ\u00ad:"
    texts = ["".join(source.choice(alphabet) for _ in range(24)) for _ in range(40)]
    return [[text, text.lower()] for text in texts]


def main():
    golden = {
        "groups": [{"hypothesis": h, "references": r, "scores": brief(h, r)} for h, r in GROUPS],
        "corpora": corpora(),
        "spaces": [c for c in range(0x110000) if chr(c).isspace()],
        "lowercase": lowercase_hashes(),
        "sigma": random_sigma_texts(),
    }
    if len(sys.argv) > 1:
        sentences = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").split("\n")[:-1]
        golden["multi30k"] = {"one": every_case(damaged(sentences), [sentences]),
                              "two": every_case(damaged(sentences), [sentences, sentences[1:] + sentences[:1]])}
    else:
        golden["multi30k"] = json.loads(TARGET.read_text(encoding="utf-8"))["multi30k"]
    rows = ",\n".join(f'"{key}": {rows_of(value)}' for key, value in golden.items())
    TARGET.write_text("{\n" + rows + "\n}\n", encoding="utf-8")


def rows_of(value):
    if not isinstance(value, list) or all(isinstance(row, int) for row in value):
        return json.dumps(value, ensure_ascii=True)
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=True) for row in value) + "\n]"


if __name__ == "__main__":
    main()
