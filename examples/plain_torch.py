"""reszoo's networks in a loop of your own, in plain PyTorch: `python examples/plain_torch.py`.

A pretrained network gets a fresh head for other classes, and the data set's pictures its own transforms.
"""

import torch
from PIL import Image
from torch import nn

import reszoo

if __name__ == "__main__":
    checkpoint = reszoo.load("resnet8_v2.reszoo_digits")
    digits = reszoo.datasets.load("digits", "train")
    transforms = checkpoint.transforms()
    pictures = [transforms(Image.fromarray(image[..., 0])) for image in digits.images]
    images, is_odd = torch.stack(pictures), torch.from_numpy(digits.labels % 2)

    network = reszoo.create_model("resnet8_v2", pretrained="reszoo_digits", num_classes=2)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(3):
        for chosen in torch.randperm(len(images)).split(64):
            loss = nn.functional.cross_entropy(network(images[chosen]), is_odd[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        print(f"epoch {epoch}: loss {loss.item():.3f}")

    network.eval()
    right = (network(images).argmax(1) == is_odd).float().mean().item()
    print(f"odd or even: {100 * right:.1f} % of the training images")
