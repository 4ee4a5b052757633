"""What PyTorch's sides of the training comparisons share: options, threads and seed, and an update."""
import tomllib

import torch


def prepared(parser, updates):
    """The arguments, and the table in the file `config` among them; `parser` has those that are the script's own."""
    parser.add_argument("--updates", type=int, default=updates)
    parser.add_argument("--autocast", action="store_true", help="products in bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    return arguments, tomllib.load(arguments.config)


def products(arguments):
    """In which a forward is run."""
    return torch.autocast("cpu", torch.bfloat16, enabled=arguments.autocast)


def update(model, optimizer, loss):
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
