"""A variational autoencoder: ResNet18 as encoder, its mirror image as decoder, a latent map between them."""

import torch
from torch import Tensor, nn

STRIDE = 32  # of ResNet18's last stage: the latent map of a 256x256 picture is 8x8
LATENT_CHANNELS = 64  # not stated in the paper
LEAST_SIDE = 64  # batch norm needs more than one value a channel, even in a batch of one


class VariationalAutoencoder(nn.Module):
    """Variational autoencoder of pictures with a latent map (Kingma and Welling, arXiv:1312.6114)."""

    def __init__(self) -> None:
        from torchvision.models.resnet import BasicBlock, resnet18  # takes seconds; other methods don't need it

        super().__init__()
        stages = list(resnet18(weights=None).children())[:-2]  # without pooling and classifier
        self.encoder = nn.Sequential(*stages)
        self.moments = nn.Conv2d(512, 2 * LATENT_CHANNELS, 1)
        self.decoder = nn.Sequential(
            nn.Conv2d(LATENT_CHANNELS, 512, 1),
            *_upwards(512, 256),  # mirrors layer4, and so on
            *_upwards(256, 128),
            *_upwards(128, 64),
            BasicBlock(64, 64),
            BasicBlock(64, 64),
            nn.Upsample(scale_factor=2),  # mirrors the pooling
            nn.Conv2d(64, 64, 3, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.Upsample(scale_factor=2),  # mirrors the first convolution
            nn.Conv2d(64, 3, 7, padding=3),
            nn.Sigmoid(),
        )

    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latent map.

        Args:
            pictures: (B, 3, S, S) in 0..1; S a multiple of 32, at least 64.

        Returns:
            (B, L, S/32, S/32) each.
        """
        mean, log_variance = self.moments(self.encoder(pictures)).chunk(2, 1)
        return mean, log_variance

    def decode(self, latent: Tensor) -> Tensor:
        """(B, 3, S, S) pictures in 0..1 from (B, L, S/32, S/32) latent maps."""
        pictures: Tensor = self.decoder(latent)
        return pictures

    def loss(self, pictures: Tensor, noise: Tensor) -> Tensor:
        """Negative evidence lower bound, averaged over the pictures of a batch, without constants.

        (sum (x - decoded)^2 + 1/2 sum (mean^2 + variance - 1 - ln variance)) / B. The first term is the negative
        log-likelihood of a Gaussian with variance 1/2 around the decoded picture, the second the Kullback-Leibler
        divergence of the latent Gaussian from the standard one (arXiv:1312.6114, appendix B).

        Args:
            pictures: (B, 3, S, S) in 0..1.
            noise: (B, L, S/32, S/32) from a standard Gaussian.
        """
        mean, log_variance = self.encode(pictures)
        decoded = self.decode(mean + noise * (log_variance / 2).exp())
        error = (pictures - decoded).square().sum()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        return (error + divergence) / len(pictures)


def _upwards(channels: int, fewer: int) -> list[nn.Module]:
    """Upsampling by 2 and two residual blocks, the first of which reduces the channels."""
    from torchvision.models.resnet import BasicBlock

    narrowing = nn.Sequential(nn.Conv2d(channels, fewer, 1, bias=False), nn.BatchNorm2d(fewer))
    return [nn.Upsample(scale_factor=2), BasicBlock(channels, fewer, downsample=narrowing), BasicBlock(fewer, fewer)]


def augmented(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures with a small random rotation, enlargement and shift, the VAE's augmentation in PaDiM's paper.

    A rotation of up to 2 degrees, a resize to 292 pixels, a random crop of 282 and a centre crop of 256 (all in
    proportion for another S). Departure from the paper: one resampling instead of two, so the pictures are a little
    sharper. The corners that the rotation leaves empty lie outside the crop.

    Args:
        pictures: (B, 3, S, S).
        generator: Random generator on the CPU.
    """
    count, _, side, _ = pictures.shape
    resized, cropped = round(side * 292 / 256), round(side * 282 / 256)
    degrees = 4 * torch.rand(count, generator=generator) - 2
    corner = torch.randint(0, resized - cropped + 1, (count, 2), generator=generator)  # of the random crop
    # in grid_sample's coordinates, -1 to 1 over the picture
    scale = side / resized
    shift = (cropped + 2 * corner) / resized - 1  # (B, 2)
    cosine, sine = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    rotation = torch.stack([cosine, -sine, sine, cosine], 1).view(count, 2, 2)
    transform = torch.cat([rotation * scale, rotation @ shift[:, :, None]], 2)  # (B, 2, 3)
    places = nn.functional.affine_grid(transform.to(pictures), list(pictures.shape), align_corners=False)
    return nn.functional.grid_sample(pictures, places, align_corners=False)
