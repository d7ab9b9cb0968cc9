"""The published decoding algorithms, restated line by line as plainly as possible: oracles of `cfgdecode.loops`.

Each function is written from the algorithm (paper and reference implementation named with it), for one purpose: to
give the tokens that the original gives. No constraint, no options that the tests do not use, no speed.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def llada(
    model, prompt, mask_id, gen_length, block_length, steps, temperature=0.0, cfg_scale=0.0, remasking="low_confidence"
):
    """LLaDA (2502.09992), low-confidence or random remasking with the linear schedule."""
    batch, prompt_length = prompt.shape
    x = torch.full((batch, prompt_length + gen_length), mask_id)
    x[:, :prompt_length] = prompt
    is_prompt = x != mask_id
    n_blocks = gen_length // block_length
    for b in range(n_blocks):
        lo, hi = prompt_length + b * block_length, prompt_length + (b + 1) * block_length
        schedule = _schedule((x[:, lo:hi] == mask_id).sum(1), steps // n_blocks)
        for i in range(steps // n_blocks):
            masked = x == mask_id
            if cfg_scale > 0:
                both = torch.cat([x, torch.where(is_prompt, mask_id, x)])
                with_prompt, without = model(both).chunk(2)
                logits = without + (cfg_scale + 1) * (with_prompt - without)
            else:
                logits = model(x)
            x0 = _gumbel(logits, temperature).argmax(-1)
            if remasking == "low_confidence":
                conf = F.softmax(logits.double(), -1).gather(-1, x0[..., None])[..., 0]
            else:
                conf = torch.rand(x0.shape)
            conf[:, hi:] = -torch.inf
            conf = torch.where(masked, conf, -torch.inf)
            for j in range(batch):
                chosen = conf[j].topk(int(schedule[j, i])).indices
                x[j, chosen] = torch.where(masked[j], x0[j], x[j])[chosen]
    return x


def fast_dllm(model, prompt, mask_id, gen_length, block_length, temperature=0.0, threshold=None, factor=None):
    """Fast-dLLM (2505.22618) without caches: threshold and factor decoding."""
    batch, prompt_length = prompt.shape
    x = torch.full((batch, prompt_length + gen_length), mask_id)
    x[:, :prompt_length] = prompt
    for b in range(gen_length // block_length):
        lo, hi = prompt_length + b * block_length, prompt_length + (b + 1) * block_length
        while (x[:, lo:hi] == mask_id).any():
            masked = x == mask_id
            masked[:, hi:] = False
            logits = model(x)
            x0 = _gumbel(logits, temperature).argmax(-1)
            conf = F.softmax(logits.double(), -1).gather(-1, x0[..., None])[..., 0]
            conf = torch.where(masked, conf, -torch.inf)
            for j in range(batch):
                n = int(masked[j].sum())
                if n == 0:
                    continue
                if threshold is not None:
                    order = conf[j].topk(n).indices
                    chosen = [p for rank, p in enumerate(order.tolist()) if rank == 0 or conf[j, p] >= threshold]
                else:
                    ordered = conf[j][masked[j]].sort(descending=True).values
                    bars = [-1.0] + [1 - factor / (k + 1) for k in range(2, n + 1)]
                    top = 0
                    for top in range(n):
                        if ordered[top] < bars[top]:
                            break
                    if top in (0, n - 1):
                        top += 1
                    chosen = conf[j].topk(top).indices.tolist()
                x[j, chosen] = x0[j, chosen]
    return x


def dream(model, prompt, mask_id, gen_length, steps, alg, alg_temp=0.0, temperature=0.0, top_p=None, top_k=None):
    """Dream 7B (2508.15487), one row."""
    x = F.pad(prompt, (0, gen_length), value=mask_id)
    t = torch.linspace(1, 1e-3, steps + 1)
    for i in range(steps):
        masked = x == mask_id
        logits = model(x)
        logits = torch.cat([logits[:, :1], logits[:, :-1]], 1)[masked]
        last = i == steps - 1
        x0 = torch.full((len(logits),), mask_id)
        if alg == "origin":
            moves = torch.rand(len(logits)) < (1 if last else 1 - t[i + 1] / t[i])
            _, x0[moves] = _dream_sample(logits[moves], temperature, top_p, top_k, alg)
            x[masked] = x0
            continue
        conf, proposed = _dream_sample(logits, temperature, top_p, top_k, alg)
        n = len(logits) if last else int(len(logits) * (1 - t[i + 1] / t[i]))
        if n > 0:
            full = torch.full(x.shape, -torch.inf)
            full[masked] = conf
            if alg_temp:
                chosen = torch.multinomial(F.softmax(full / alg_temp, -1), n)[0]
            else:
                chosen = full[0].topk(n).indices
            everything = torch.full_like(x, mask_id)
            everything[masked] = proposed
            x[0, chosen] = everything[0, chosen]
    return x


def sdar(
    model, prompt, mask_id, gen_length, block_length, denoising_steps, strategy,
    temperature=1.0, top_k=0, top_p=1.0, threshold=0.85, stop=(),
):  # fmt: skip
    """SDAR (2510.06303), one row, the cache left out (the model is given everything up to the block's end)."""
    prompt_length = prompt.shape[1]
    n_blocks = -(-(prompt_length + gen_length) // block_length)
    x = torch.full((1, n_blocks * block_length), mask_id)
    x[:, :prompt_length] = prompt
    schedule = _schedule(torch.tensor([block_length]), denoising_steps)[0]
    for b in range(prompt_length // block_length, n_blocks):
        lo, hi = b * block_length, (b + 1) * block_length
        for step in range(denoising_steps + 1):
            masked = x[:, lo:hi] == mask_id
            if not masked.any():
                break
            logits = model(x[:, :hi])[:, lo:hi].reshape(block_length, -1) / temperature
            if top_k:
                logits = torch.where(logits < logits.topk(top_k).values[:, -1:], -torch.inf, logits)
            if top_p < 1:
                ordered, order = logits.sort(descending=True)
                drop = F.softmax(ordered, -1).cumsum(-1) > top_p
                drop[:, 1:] = drop[:, :-1].clone()
                drop[:, 0] = False
                logits = logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -torch.inf)
            probs = F.softmax(logits, -1)
            x0 = torch.multinomial(probs, 1)
            conf = torch.where(masked[0], probs.gather(-1, x0)[:, 0], -torch.inf)
            quota = min(int(schedule[step]), int(masked.sum()))
            if strategy == "sequential":
                chosen = masked[0].nonzero()[:quota, 0]
            elif strategy == "low_confidence_dynamic" and (conf > threshold).sum() >= schedule[step]:
                chosen = (conf > threshold).nonzero()[:, 0]
            else:
                chosen = conf.topk(quota).indices
            x[0, lo + chosen] = x0[chosen, 0]
        if any(s in x[0, prompt_length:] for s in stop):
            return x[:, :hi]
    return x


def llada2(model, prompt, mask_id, gen_length, block_length, steps, threshold, editing_threshold, max_post_steps):
    """LLaDA2.1's reference loop, greedy: fill by threshold, edit decided tokens of the block, one row."""
    prompt_length = prompt.shape[1]
    n_blocks = -(-(prompt_length + gen_length) // block_length)
    x = torch.full((1, n_blocks * block_length), mask_id)
    x[:, :prompt_length] = prompt
    schedule = _schedule(torch.tensor([block_length]), steps)[0]
    for b in range(prompt_length // block_length, n_blocks):
        lo, hi = b * block_length, (b + 1) * block_length
        post = step = 0
        while True:
            old = x[0, lo:hi].clone()
            masked = old == mask_id
            if not masked.any():
                post += 1
                if post > max_post_steps:
                    break
            logits = model(x[:, :hi])[0, lo:hi]
            x0 = logits.argmax(-1)
            conf = F.softmax(logits.float(), -1).gather(-1, x0[:, None])[:, 0]
            chosen = torch.zeros_like(masked)
            if masked.any():
                ranked = torch.where(masked, conf, -torch.inf)
                quota = int(schedule[min(step, steps - 1)])
                if (ranked > threshold).sum() >= quota:
                    chosen = ranked > threshold
                else:
                    chosen[ranked.topk(min(quota, int(masked.sum()))).indices] = True
            editable = ~masked & (torch.arange(lo, hi) >= prompt_length)
            edited = editable & (conf > editing_threshold) & (x0 != old)
            x[0, lo:hi] = torch.where(chosen | edited, x0, old)
            if not masked.any() and not edited.any():
                break
            step += 1
    return x


def diffusion_gemma(
    model, prompt, vocab_size, gen_length, canvas_length, steps, entropy_bound=0.1, t_min=0.4, t_max=0.8
):
    """DiffusionGemma's generation with its entropy-bound sampler, stable and confident stopping (1 step, 0.005)."""
    batch = prompt.shape[0]
    x = prompt
    for _ in range(gen_length // canvas_length):
        canvas = torch.randint(0, vocab_size, (batch, canvas_length))
        argmax, before = canvas, torch.full_like(canvas, -1)
        kept_logits = None
        finished = torch.zeros(batch, dtype=torch.bool)
        for n in range(steps, 0, -1):
            logits = model(torch.cat([x, canvas], 1))[:, -canvas_length:]
            logits = logits / (t_min + (t_max - t_min) * (n / steps))
            probs = F.softmax(logits, -1)
            drawn = torch.multinomial(probs.view(-1, vocab_size), 1).view(batch, canvas_length)
            entropy = torch.distributions.Categorical(logits=logits).entropy()
            ordered, order = entropy.sort(-1)
            within = ordered.cumsum(-1) - ordered <= entropy_bound
            accepted = torch.zeros_like(within).scatter(-1, order, within)
            fresh = torch.randint(0, vocab_size, (batch, canvas_length))
            new_canvas = torch.where(accepted, drawn, fresh)
            new_argmax = logits.argmax(-1)
            if finished.any():
                new_argmax = torch.where(finished[:, None], argmax, new_argmax)
                new_canvas = torch.where(finished[:, None], canvas, new_canvas)
                logits = torch.where(finished[:, None, None], kept_logits, logits)
            mean_entropy = torch.distributions.Categorical(logits=logits).entropy().mean(-1)
            finished = finished | ((before == new_argmax).all(-1) & (mean_entropy < 0.005))
            canvas, argmax, before, kept_logits = new_canvas, new_argmax, new_argmax, logits
            if finished.all():
                break
        x = torch.cat([x, argmax], 1)
    return x


def dreamon(
    model, prefix, suffix, mask_id, expand_id, delete_id, n_masks, max_masks, alg="maskgit_plus", temperature=0.0,
    expand_budget=None, delete_to_right=False,
):  # fmt: skip
    """DreamOn: one token a step; an expansion gives two masks, a deletion removes the cell."""
    x = torch.cat([prefix, torch.full((n_masks,), mask_id), suffix])
    budget = 2 * max_masks if expand_budget is None else expand_budget
    limit = len(prefix) + max_masks + len(suffix)
    for _ in range(2 * max_masks + 2 * budget):
        masked = x == mask_id
        if not masked.any():
            break
        logits = model(x[None])
        logits = torch.cat([logits[:, :1], logits[:, :-1]], 1)[0][masked]
        if len(x) == limit or budget == 0:
            logits[:, expand_id] -= 1e9
        conf, proposed = _dream_sample(logits, temperature, None, None, alg)
        best = conf.topk(1).indices
        written = torch.full_like(proposed, mask_id)
        written[best] = proposed[best]
        x[masked] = written
        deleted = (x == delete_id) & masked
        if delete_to_right and deleted.any():
            deleted = masked & (torch.arange(len(x)) >= deleted.nonzero()[0, 0])
        x = x[~deleted]
        for place in (x == expand_id).nonzero()[:, 0].tolist()[::-1]:
            x = torch.cat([x[:place], torch.tensor([mask_id, mask_id]), x[place + 1 :]])
            budget -= 1
    return x[None]


def _schedule(n_masked, steps):
    """LLaDA's and SDAR's even split, the remainder first."""
    table = torch.zeros(len(n_masked), steps, dtype=torch.long)
    for row, n in enumerate(n_masked.tolist()):
        for i in range(steps):
            table[row, i] = n // steps + (1 if i < n % steps else 0)
    return table


def _gumbel(logits, temperature):
    if temperature == 0:
        return logits
    logits = logits.double()
    return logits.exp() / (-torch.log(torch.rand_like(logits))) ** temperature


def _dream_sample(logits, temperature, top_p, top_k, alg):
    lowest = torch.finfo(logits.dtype).min
    if temperature > 0:
        logits = logits / temperature
    if top_p is not None and top_p < 1:
        ordered, order = logits.sort(descending=True)
        drop = F.softmax(ordered, -1).cumsum(-1) > top_p
        drop[..., 1:] = drop[..., :-1].clone()
        drop[..., 0] = False
        logits = logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), lowest)
    if top_k is not None:
        logits = logits.masked_fill(logits < logits.topk(top_k).values[..., -1:], lowest)
    probs = F.softmax(logits, -1)
    if temperature > 0:
        x0 = torch.distributions.Categorical(probs=probs).sample()
        conf = probs.gather(-1, x0[..., None])[..., 0]
    else:
        conf, x0 = probs.max(-1)
    if alg == "topk_margin":
        best = probs.sort(descending=True).values
        conf = best[..., 0] - best[..., 1]
    elif alg == "entropy":
        conf = (probs * torch.log(probs + 1e-10)).sum(-1)
    return conf, x0
