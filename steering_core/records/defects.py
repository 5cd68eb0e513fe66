"""The defect behind each clause: what was seen in public, and where; most of them raise no error and look plausible."""

_GITHUB = "https://github.com"
_STUDY = f"[study]({_GITHUB}/Sohailm25/activation-steering-runs)"


def _thread(place: str) -> str:
    """`owner/name#7` -> a link to the thread."""
    repository, _, number = place.partition("#")
    path = f"{repository}/issues/{number}" if number else repository
    return f"[{place}]({_GITHUB}/{path})"


DEFECTS = {
    "P0": f"`output_hidden_states=[99]` returns None for each absent layer, without an error ({_thread('huggingface/transformers#48825')})",
    "P1": "the last hidden state is taken after the final norm, not after the last block: true of all 17 architectures tried "
    f"({_thread('huggingface/transformers#48087')})",
    "P2": f"a collect of two positions with one unit returned fragments of half the width ({_thread('goodfire-ai/causalab#17')})",
    "P3": f"the paper says bfloat16 for its 27B and 32B models, the transfer script runs float16 ({_STUDY})",
    "P4": f"a rendered template was tokenized again: two start tokens ({_thread('huggingface/open-r1#462')}); the last column read "
    f"whatever the padding side ({_thread('vgel/repeng#38')}); packed prompts that attend to those before them "
    f"({_thread('huggingface/nanoVLM#204')})",
    "P5": f"outputs of attention and MLP taken for what is added to the stream: 106 % off on Gemma-2 ({_thread('ndif-team/nnterp#53')})",
    "P6": f"is it noise or a bug? A user told expected noise from unstable logits by hand ({_thread('ndif-team/nnsight#631')})",
    "P7": f"the pyvene arm of a comparison called no pyvene code ({_STUDY}); hooks accepted that never fire "
    f"({_thread('TransformerLensOrg/TransformerLens#1688')})",
    "P8": f"a saved reference was overwritten after capture: off by 64.6, by 0.07 once cloned ({_thread('ndif-team/nnsight#630')})",
    "P9": f"any run removes every forward hook on the model, the user's too ({_thread('stanfordnlp/pyvene')} 0.1.8)",
    "P10": f"hidden states of a batch returned to the wrong request ({_thread('sgl-project/sglang#4997')})",
    "P11": "preventive: a hook that outlives an exception steers every later call; no public report found",
    "P12": f"hooks of the first trace stay, and a second trace rewrites the first one's cache ({_thread('ndif-team/nnsight#682')})",
    "P13": f"removing an unrelated second trace changes what the first returns ({_thread('ndif-team/nnsight#607')})",
    "D1": f"five greedy repeats under fixed seeds: 15 stored directions are byte-identical, and show nothing ({_STUDY})",
    "D2": f"parity was stated for raw activations of one class; the cosine of directions was never computed ({_STUDY})",
    "D3": f"38 cells were the right tensor times a constant, which no cosine sees ({_thread('decoderesearch/interp-engine')})",
    "D4": f"the last layer's direction is read after the final norm and applied before it: cosine 0.995 ({_thread('vgel/repeng')})",
    "D5": f"tests with hard-coded activation values fail elsewhere ({_thread('hijohnnylin/neuronpedia#192')})",
    "D6": f"a published score ignores its candidate, so that the first layer always wins ({_STUDY})",
    "S1": "wrapping a model switches it to another attention kernel: unsteered logits move "
    f"({_thread('TransformerLensOrg/TransformerLens')})",
    "S2": f"the vector was added twice, once masked and once everywhere ({_thread('nrimsky/CAA#2')})",
    "S3": f"steering differs with the KV cache ({_thread('hijohnnylin/neuronpedia#163')})",
    "S4": f"every tool's direction was steered by the same plain hook, so that no tool's own steering was compared ({_STUDY})",
    "S5": f"the mask left out the last prompt token, and the first generated token was unsteered ({_thread('nrimsky/CAA#3')})",
    "S6": f"does one location mean every generated token or the first? ({_thread('stanfordnlp/pyvene#193')}); chunked prefill "
    f"skipped in silence ({_thread('IBM/vLLM-Hook#8')})",
    "S7": "with folded norms addition gives the same log-probabilities, and ablation differs by 0.57 "
    f"({_thread('TransformerLensOrg/TransformerLens#346')})",
    "S8": f"normalizing in float16 overflowed to infinity ({_thread('ZJU-REAL/EasySteer#21')})",
    "S9": f"a backend dropped one key of a request in silence ({_thread('moudrkat/brainscope')})",
    "B1": f"n = 50 was 10 prompts, each answered five times alike; the intervals were too narrow ({_STUDY})",
    "B2": f"100 % against 10 %, of which no artifact exists ({_STUDY})",
    "B3": f"wrong template, wrong refusal tokens: nothing is left to select ({_thread('andyrdt/refusal_direction#4')})",
    "B4": "preventive: a strong vector in any direction changes answers; without a control it passes for the effect",
    "W1": f"at one layer, strengths of 10 to 17.5 take a 14B model from 97 % to 40 % coherent refusals ({_STUDY})",
    "W2": f"one 32B condition is published with 60 %, 77 % and 80 % ({_STUDY})",
    "W3": f"appendix and text disagree about whether the direction is extracted again at low precision ({_STUDY})",
    "W4": f"strengths of +-4 showed no effect ({_thread('IBM/activation-steering#2')})",
    "F1": "ICA that takes its first component with any sign points the wrong way for half of the traits (trait-interp)",
    "F2": f"one vector, two hook points: 34.0 % refusals against 3.8 % ({_thread('antirez/ds4#970')})",
    "F3": f"a cosine of 1 between tensors that differ by a factor moves every threshold ({_thread('decoderesearch/interp-engine')})",
    "F4": "that weighted and orthogonal steering give similar results was stated without a table",
    "F5": f"transfer and own rates of the same prompts were resampled as if independent ({_STUDY})",
    "F6": "a row that ended after 2 of 5 tokens still yields 5 captured steps; the last token of an answer has no activation "
    f"({_thread('huggingface/transformers')} 5.23)",
    "F7": "that a later stage resists and has a hard cliff was stated from single coefficients, without intervals (trait-interp)",
    "F8": f"multipliers of 15 and 25 were compared across models whose directions have norms of 26 and 93 ({_STUDY})",
    "V1": f"load failures became skipped tests, and the run was green ({_thread('justinshenk/temporal-awareness')})",
    "V2": f"the commit that a closeout names holds the code that failed; the artifact's commit is empty ({_STUDY})",
    "V3": f"protocol, script and closeout give three settings; no artifact supports the closeout's ({_STUDY})",
}
