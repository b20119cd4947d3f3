"""A training loop that knows nothing of reszoo: `python scripts/trained_elsewhere.py PHOTOS OUT EPOCHS`.

PHOTOS has train/CLASS/*.jpg and test/CLASS/*.jpg. OUT gets model.pth, what people have after a training, and
answers.json: the class of each test photo, by its path.
"""

import json
import sys
from pathlib import Path

import torch
from torchvision import datasets, models, transforms

photos, out, epochs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
normalise = transforms.Compose(
    [transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
)
varied = transforms.Compose([transforms.RandomResizedCrop(224, (0.5, 1)), transforms.RandomHorizontalFlip(), normalise])
fixed = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), normalise])
train, test = datasets.ImageFolder(photos / "train", varied), datasets.ImageFolder(photos / "test", fixed)

torch.manual_seed(0)
model = models.resnet18(num_classes=len(train.classes))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
loader = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True, drop_last=True)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=epochs * len(loader))
for _ in range(epochs):
    for images, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()

model.eval()
with torch.inference_mode():
    answers = [model(image[None]).argmax().item() for image, _ in test]
torch.save({"epoch": epochs, "state_dict": model.state_dict()}, out / "model.pth")
files = [Path(path).relative_to(photos).as_posix() for path, _ in test.samples]
found = {file: train.classes[int(answer)] for file, answer in zip(files, answers, strict=True)}
(out / "answers.json").write_text(json.dumps(found))
